/* From text to ids, as the tokenizers library does it:
 *
 *   invalid UTF-8 becomes U+FFFD -> added tokens that match raw text are cut out -> NFC ->
 *   added tokens that match normalised text are cut out -> pieces -> merges, piece by piece
 *
 * and back: the bytes of the tokens, one after another. */
#include "text/tokenizer.h"

#include "base/memory.h"
#include "base/path.h"
#include "base/utf8.h"
#include "text/tokenizer_parts.h"
#include "text/unicode.h"

#include <stdlib.h>
#include <string.h>

/* The only place that knows which files describe a tokenizer. Another piece model (SentencePiece's
 * tokenizer.model, a tiktoken rank file) is another reader beside tokenizer_json.c, chosen here by
 * the file that is in the folder; where it does not merge by ranks, also a case in encode_piece. */
static Status load(Tokenizer *t, const char *folder, Error *e)
{
    char *path = path_join(folder, "tokenizer.json", e);
    tokenizer_json_load(t, path, e);
    free(path);
    return e->status;
}

Tokenizer *tokenizer_open(const char *folder, Error *e)
{
    Tokenizer *t = memory_new(1, sizeof *t, e);
    if (t && load(t, folder, e) != OK) {
        tokenizer_close(t);
        t = NULL;
    }
    return t;
}

void tokenizer_close(Tokenizer *t)
{
    if (!t)
        return;
    for (int64_t i = 0; i < t->n_added; i++)
        free(t->added[i].content);
    free(t->added);
    vocabulary_free(&t->vocabulary);
    merges_free(&t->merges);
    free(t);
}

/* The ids of one piece: the token that it is, or what merging makes of its bytes. A byte without a
 * token is dropped, as in the reference when there is no unknown token. */
static Status encode_piece(const Tokenizer *t, BpeWork *w, Ids *ids, const char *piece, size_t count,
                           Error *e)
{
    int32_t whole = t->ignore_merges ? vocabulary_find(&t->vocabulary, piece, count) : -1;
    if (whole >= 0) {
        ids_add(ids, whole, e);
        return e->status;
    }
    if (!ids_reserve(ids, (int64_t)count, e))
        return e->status;
    int32_t *out = ids->data + ids->count;
    int64_t n = 0;
    for (size_t i = 0; i < count; i++) {
        int32_t id = t->vocabulary.byte_id[(unsigned char)piece[i]];
        if (id >= 0) {
            out[n] = id;
            n++;
        }
    }
    if (bpe_merge(&t->merges, w, out, &n, e) == OK)
        ids->count += n;
    return e->status;
}

static Status encode_pieces(const Tokenizer *t, BpeWork *w, Ids *ids, const char *text, size_t count,
                            Error *e)
{
    Pieces pieces = {&t->pretokenizer, text, text + count, NULL};
    size_t length;
    const char *p = pieces_next(&pieces, &length);
    while (p && e->status == OK) {
        encode_piece(t, w, ids, p, length, e);
        p = pieces_next(&pieces, &length);
    }
    return e->status;
}

static bool is_word(int32_t code)
{
    return code == '_' || unicode_is_letter(code) || unicode_is_number(code);
}

/* Where the code point that ends at p starts (start < p). */
static const char *step_back(const char *start, const char *p)
{
    p--;
    while (p > start && ((unsigned char)*p & 0xC0) == 0x80)
        p--;
    return p;
}

/* The code point that ends at p. */
static int32_t code_before(const char *start, const char *p)
{
    int used;
    return utf8_decode(step_back(start, p), p, &used);
}

static bool stands_alone(const char *start, const char *p, const char *after, const char *end)
{
    int used;
    return (p == start || !is_word(code_before(start, p))) &&
           (after == end || !is_word(utf8_decode(after, end, &used)));
}

/* The longest added token of the wanted kind that starts at p; NULL: none. */
static const Added *added_at(const Tokenizer *t, const char *start, const char *p, const char *end,
                             bool normalized)
{
    const Added *best = NULL;
    for (int32_t i = t->added_first[(unsigned char)*p]; i >= 0; i = t->added[i].next) {
        const Added *a = t->added + i;
        if (a->normalized == normalized && a->length <= (size_t)(end - p) &&
            !memcmp(a->content, p, a->length) && (!best || a->length > best->length) &&
            (!a->single_word || stands_alone(start, p, p + a->length, end)))
            best = a;
    }
    return best;
}

static const char *without_spaces_before(const char *start, const char *p)
{
    while (p > start && unicode_is_space(code_before(start, p)))
        p = step_back(start, p);
    return p;
}

static const char *without_spaces_after(const char *p, const char *end)
{
    int used = 0;
    while (p < end && unicode_is_space(utf8_decode(p, end, &used)))
        p += used;
    return p;
}

typedef Status Plain(const Tokenizer *t, BpeWork *w, Ids *ids, const char *text, size_t count, Error *e);

/* Cuts the added tokens of one kind out of the text; what lies between them goes to `plain`. */
static Status cut_added(const Tokenizer *t, BpeWork *w, Ids *ids, const char *text, size_t count,
                        bool normalized, Plain *plain, Error *e)
{
    const char *end = text + count;
    const char *done = text; /* up to here the text is encoded */
    const char *p = text;
    while (p < end && e->status == OK) {
        const Added *a = added_at(t, text, p, end, normalized);
        if (!a) {
            p++;
            continue;
        }
        const char *last = a->lstrip ? without_spaces_before(done, p) : p;
        if (last > done)
            plain(t, w, ids, done, (size_t)(last - done), e);
        ids_add(ids, a->id, e);
        p += a->length;
        if (a->rstrip)
            p = without_spaces_after(p, end);
        done = p;
    }
    if (e->status == OK && done < end)
        plain(t, w, ids, done, (size_t)(end - done), e);
    return e->status;
}

/* Text between added tokens that match raw text. ASCII is NFC already. */
static Status encode_raw(const Tokenizer *t, BpeWork *w, Ids *ids, const char *text, size_t count, Error *e)
{
    bool ascii = true;
    for (size_t i = 0; i < count && ascii; i++)
        ascii = !((unsigned char)text[i] & 0x80);
    if (!t->nfc || ascii)
        return cut_added(t, w, ids, text, count, true, encode_pieces, e);
    Text composed = {0};
    unicode_nfc(&composed, text, count, e);
    cut_added(t, w, ids, text_string(&composed), composed.count, true, encode_pieces, e);
    text_free(&composed);
    return e->status;
}

Status tokenizer_encode(const Tokenizer *t, Ids *ids, const char *text, size_t count, Error *e)
{
    Text valid = {0};
    BpeWork work = {0};
    utf8_repair(&valid, text, count, e);
    cut_added(t, &work, ids, text_string(&valid), valid.count, false, encode_raw, e);
    bpe_free(&work);
    text_free(&valid);
    return e->status;
}

static const Added *added_of(const Tokenizer *t, int32_t id)
{
    for (int64_t i = 0; i < t->n_added; i++)
        if (t->added[i].id == id)
            return t->added + i;
    return NULL;
}

Status tokenizer_decode(const Tokenizer *t, Text *text, const int32_t *ids, int64_t count, bool skip_special,
                        Error *e)
{
    const Vocabulary *v = &t->vocabulary;
    for (int64_t i = 0; i < count && e->status == OK; i++) {
        const Added *a = added_of(t, ids[i]);
        if (a && skip_special && a->special)
            continue;
        if (a)
            text_add_bytes(text, a->content, a->length, e);
        else if (vocabulary_has(v, ids[i]))
            text_add_bytes(text, v->bytes.data + v->token[ids[i]].first, (size_t)v->token[ids[i]].length, e);
    }
    return e->status;
}

int32_t tokenizer_id(const Tokenizer *t, const char *token)
{
    for (int64_t i = 0; i < t->n_added; i++)
        if (!strcmp(t->added[i].content, token))
            return t->added[i].id;
    return vocabulary_find(&t->vocabulary, token, strlen(token));
}

int64_t tokenizer_size(const Tokenizer *t)
{
    return t->size;
}
