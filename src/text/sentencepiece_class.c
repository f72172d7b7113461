/* The Python classes around SentencePiece: transformers' slow LlamaTokenizer (Phi-3) and the
 * InternLM2Tokenizer of its checkpoints. Encoding: added tokens are cut out, each stretch between
 * them is encoded by itself. Decoding: the ids fall into items, which one space joins. Some added
 * tokens are an item each (Added.apart), and so is what lies between two of those. Within an item,
 * listed special tokens are written as they are, and SentencePiece decodes the pieces between them. */
#include "text/tokenizer_parts.h"

#include <string.h>

/* A mark where the rules want one, then the text with its own marks as spaces. */
static void read_marks(Text *out, const ClassRules *rules, const char *text, size_t count, Error *e)
{
    size_t i = 0;
    text_add(out, rules->marks_text ? SPACE_MARK : "", e);
    while (i < count && e->status == OK) {
        bool mark = count - i >= SPACE_MARK_BYTES && !memcmp(text + i, SPACE_MARK, SPACE_MARK_BYTES);
        text_add_bytes(out, mark ? " " : text + i, 1, e);
        i += mark ? SPACE_MARK_BYTES : 1;
    }
}

static const Added *listed(const Tokenizer *t, int32_t id)
{
    const Added *a = added_of(&t->added, id);
    return a && a->listed ? a : NULL;
}

static Status encode_marked(Encoding *g, const char *text, size_t count, Error *e)
{
    const Tokenizer *t = g->tokenizer;
    Ids *ids = g->ids;
    Text read = {0};
    int64_t first = ids->count;
    read_marks(&read, &t->sentencepiece.rules, text, count, e);
    if (e->status == OK && count)
        added_cut(&t->added, g, read.data, read.count, false, sentencepiece_encode, e);
    text_free(&read);
    if (e->status == OK && ids->count - first > 1 &&
        ids->data[first] == vocabulary_find(&t->vocabulary, SPACE_MARK, SPACE_MARK_BYTES) &&
        listed(t, ids->data[first + 1])) {
        ids->count--;
        memmove(ids->data + first, ids->data + first + 1, (size_t)(ids->count - first) * sizeof *ids->data);
    }
    return e->status;
}

static Status encode(Encoding *g, const char *text, size_t count, Error *e)
{
    const Tokenizer *t = g->tokenizer;
    const SentencePiece *s = &t->sentencepiece;
    if (s->first >= 0)
        ids_add(g->ids, s->first, e);
    if (s->rules.reads_marks)
        encode_marked(g, text, count, e);
    else
        added_cut(&t->added, g, text, count, false, sentencepiece_encode, e);
    if (s->last >= 0)
        ids_add(g->ids, s->last, e);
    return e->status;
}

static void replace_all(Text *text, const char *from, const char *to, Error *e)
{
    Text out = {0};
    const char *p = text_string(text);
    const char *end = p + text->count;
    size_t length = strlen(from);
    while (p < end && e->status == OK) {
        bool found = (size_t)(end - p) >= length && !memcmp(p, from, length);
        if (found)
            text_add(&out, to, e);
        else
            text_add_bytes(&out, p, 1, e);
        p += found ? length : 1;
    }
    text_free(text);
    *text = out;
}

/* transformers' clean_up_tokenization: one replacement after another. */
static void clean_up(Text *text, Error *e)
{
    static const char *const pairs[][2] = {
        {" .", "."},     {" ?", "?"},   {" !", "!"},   {" ,", ","},     {" ' ", "'"},
        {" n't", "n't"}, {" 'm", "'m"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        replace_all(text, pairs[i][0], pairs[i][1], e);
}

/* The text of ids that are no items of their own: convert_tokens_to_string. */
static void decode_item(const Tokenizer *t, Text *out, const int32_t *ids, int64_t count, Error *e)
{
    const ClassRules *rules = &t->sentencepiece.rules;
    int64_t pieces = 0; /* from here on come pieces that are not decoded yet */
    bool after_listed = false;
    for (int64_t i = 0; i < count && e->status == OK; i++) {
        const Added *a = listed(t, ids[i]);
        if (a && !after_listed && (i ? rules->space_before : rules->space_first))
            text_add(out, " ", e);
        if (a) {
            sentencepiece_decode(t, out, ids + pieces, i - pieces, rules->trims_first && !pieces, e);
            text_add_bytes(out, a->content, a->length, e);
            pieces = i + 1;
        } else if (after_listed && i == 1 && rules->trims_first && !sentencepiece_is_marked(t, ids[i])) {
            text_add(out, " ", e);
        }
        after_listed = a != NULL;
    }
    sentencepiece_decode(t, out, ids + pieces, count - pieces, rules->trims_first && !pieces, e);
    if (rules->clean_up)
        clean_up(out, e);
}

/* A text under construction: items, and the ids of the next one. */
typedef struct {
    const Tokenizer *t;
    Text *text;
    int64_t items;
    Ids waiting;
} Items;

static void add_item(Items *s, const char *text, size_t count, Error *e)
{
    if (s->items)
        text_add(s->text, " ", e);
    text_add_bytes(s->text, text, count, e);
    s->items++;
}

/* Makes an item of the waiting ids. An empty text is one only at the very end. */
static void add_waiting(Items *s, bool last, Error *e)
{
    Text item = {0};
    if (s->waiting.count)
        decode_item(s->t, &item, s->waiting.data, s->waiting.count, e);
    if (item.count || (last && s->waiting.count))
        add_item(s, text_string(&item), item.count, e);
    text_free(&item);
    s->waiting.count = 0;
}

static Status decode(const Tokenizer *t, Text *text, const int32_t *ids, int64_t count, bool skip_special,
                     Error *e)
{
    Items s = {.t = t, .text = text};
    for (int64_t i = 0; i < count && e->status == OK; i++) {
        const Added *a = added_of(&t->added, ids[i]);
        if (a && skip_special && (a->special || a->listed))
            continue;
        if (a && a->apart) {
            add_waiting(&s, false, e);
            add_item(&s, a->content, a->length, e);
        } else if (a || ids[i] < t->sentencepiece.pieces) {
            ids_add(&s.waiting, ids[i], e);
        }
    }
    add_waiting(&s, true, e);
    ids_free(&s.waiting);
    return e->status;
}

static Status load(Tokenizer *t, const char *folder, const char *path, Error *e)
{
    sentencepiece_read(t, path, e);
    return sentencepiece_config(t, folder, e);
}

const TokenizerKind sentencepiece_kind = {"tokenizer.model", load, encode, decode};
