/* SentencePiece's BPE on text without added tokens (google/sentencepiece: normalizer.cc, bpe_model.cc,
 * sentencepiece_processor.cc): from a text to pieces,
 *
 *   spaces become U+2581 -> user-defined pieces are cut out -> characters, merged by score -> a
 *   character that is no piece becomes its bytes
 *
 * and from pieces to text. While merging, a character that is no piece has the id MAX_ID + its code
 * point, so that a piece made of such characters is found too. */
#include "text/sentencepiece.h"

#include "base/utf8.h"
#include "text/tokenizer_parts.h"

#include <stdlib.h>
#include <string.h>

void sentencepiece_free(SentencePiece *s)
{
    added_free(&s->user);
    free(s->type);
    free(s->unknown_text);
    *s = (SentencePiece){0};
}

bool sentencepiece_can_merge(const SentencePiece *s, int32_t id)
{
    return s->type[id] == PIECE_NORMAL || s->type[id] == PIECE_USER_DEFINED;
}

int32_t sentencepiece_symbol(const void *tokenizer, const char *bytes, size_t count)
{
    const Tokenizer *t = tokenizer;
    int32_t id = vocabulary_find(&t->vocabulary, bytes, count);
    if (id >= 0 && sentencepiece_can_merge(&t->sentencepiece, id))
        return id;
    int used;
    int32_t code = utf8_decode(bytes, bytes + count, &used);
    return code >= 0 && (size_t)used == count ? MAX_ID + code : -1;
}

/* The ids that merging starts from: [up to count]. Returns their number. */
static int64_t characters(const Tokenizer *t, int32_t *out, const char *text, size_t count)
{
    const char *end = text + count;
    const char *p = text;
    int64_t n = 0;
    while (p < end) {
        int used;
        utf8_decode(p, end, &used);
        out[n] = sentencepiece_symbol(t, p, (size_t)used);
        n++;
        p += used;
    }
    return n;
}

static void add_character(const Tokenizer *t, Ids *ids, int32_t code, Error *e)
{
    char bytes[4];
    int n = utf8_encode(code, bytes);
    for (int i = 0; i < n; i++)
        ids_add(ids, t->sentencepiece.byte_id[(unsigned char)bytes[i]], e);
}

/* Without byte_fallback neighbours that are unknown are one unknown piece. */
static void add_merged(const Tokenizer *t, Ids *ids, const int32_t *merged, int64_t count, Error *e)
{
    for (int64_t i = 0; i < count && e->status == OK; i++) {
        if (merged[i] < MAX_ID)
            ids_add(ids, merged[i], e);
        else if (t->sentencepiece.byte_fallback)
            add_character(t, ids, merged[i] - MAX_ID, e);
        else if (!i || merged[i - 1] < MAX_ID)
            ids_add(ids, t->sentencepiece.unknown, e);
    }
}

/* Between user-defined pieces, with which nothing merges. */
static Status encode_between(Encoding *g, const char *text, size_t count, Error *e)
{
    const Tokenizer *t = g->tokenizer;
    Ids merged = {0};
    if (ids_reserve(&merged, (int64_t)count, e) != OK)
        return e->status;
    merged.count = characters(t, merged.data, text, count);
    if (bpe_merge(&t->merges, &g->work, merged.data, &merged.count, e) == OK)
        add_merged(t, g->ids, merged.data, merged.count, e);
    ids_free(&merged);
    return e->status;
}

Status sentencepiece_encode(Encoding *g, const char *text, size_t count, Error *e)
{
    const SentencePiece *s = &g->tokenizer->sentencepiece;
    Text marked = {0};
    size_t done = 0; /* up to here the text is copied */
    if (s->dummy_prefix)
        text_add(&marked, SPACE_MARK, e);
    for (size_t i = 0; i < count && e->status == OK; i++) {
        if (text[i] != ' ')
            continue;
        text_add_bytes(&marked, text + done, i - done, e);
        text_add(&marked, SPACE_MARK, e);
        done = i + 1;
    }
    text_add_bytes(&marked, text + done, count - done, e);
    if (e->status == OK)
        added_cut(&s->user, g, text_string(&marked), marked.count, false, encode_between, e);
    text_free(&marked);
    return e->status;
}

/* A piece as decoding sees it: its text, which may have lost its space mark, and what it is then. */
typedef struct {
    const char *text;
    size_t count;
    int type; /* PieceType; 0: a text that is no piece */
} Shown;

static bool is_marked(const char *text, size_t count)
{
    return count >= SPACE_MARK_BYTES && !memcmp(text, SPACE_MARK, SPACE_MARK_BYTES);
}

static Shown shown(const Tokenizer *t, int32_t id)
{
    if (id < 0 || id >= t->sentencepiece.pieces)
        return (Shown){"", 0, PIECE_CONTROL};
    const Token *k = t->vocabulary.token + id;
    return (Shown){t->vocabulary.bytes.data + k->first, (size_t)k->length, t->sentencepiece.type[id]};
}

bool sentencepiece_is_marked(const Tokenizer *t, int32_t id)
{
    Shown p = shown(t, id);
    return is_marked(p.text, p.count);
}

static Shown trimmed(const Tokenizer *t, Shown p)
{
    if (!is_marked(p.text, p.count))
        return p;
    p.text += SPACE_MARK_BYTES;
    p.count -= SPACE_MARK_BYTES;
    int32_t id = vocabulary_find(&t->vocabulary, p.text, p.count);
    p.type = id < 0 ? 0 : t->sentencepiece.type[id];
    return p;
}

/* The bytes of a run of byte pieces, which is emptied: each byte that is no UTF-8 becomes U+FFFD. */
static void add_bytes(Text *out, Text *bytes, Error *e)
{
    const char *p = text_string(bytes);
    const char *end = p + bytes->count;
    while (p < end && e->status == OK) {
        int used;
        bool valid = utf8_decode(p, end, &used) >= 0;
        used = valid ? used : 1;
        text_add_bytes(out, valid ? p : "\xEF\xBF\xBD", valid ? (size_t)used : 3, e);
        p += used;
    }
    text_clear(bytes);
}

/* A piece's text with its marks as spaces. */
static void add_piece(Text *out, Shown p, Error *e)
{
    size_t i = 0;
    while (i < p.count && e->status == OK) {
        bool mark = is_marked(p.text + i, p.count - i);
        text_add_bytes(out, mark ? " " : p.text + i, 1, e);
        i += mark ? SPACE_MARK_BYTES : 1;
    }
}

/* Appends a piece that is no byte. With a dummy prefix the mark that begins the text is dropped:
 * *begins says whether p can be what begins it, and becomes whether the next one can. */
static void add_shown(const SentencePiece *s, Text *out, Shown p, bool *begins, Error *e)
{
    size_t before = out->count;
    bool drop = *begins && s->dummy_prefix && p.type != PIECE_CONTROL && is_marked(p.text, p.count);
    if (p.type == PIECE_UNKNOWN) {
        text_add(out, s->unknown_text, e);
    } else if (!p.type) {
        text_add_bytes(out, p.text, p.count, e);
    } else if (p.type != PIECE_CONTROL) {
        p.text += drop ? SPACE_MARK_BYTES : 0;
        p.count -= drop ? SPACE_MARK_BYTES : 0;
        add_piece(out, p, e);
    }
    *begins = *begins && !drop && out->count == before;
}

Status sentencepiece_decode(const Tokenizer *t, Text *out, const int32_t *ids, int64_t count, bool trim,
                            Error *e)
{
    Text bytes = {0};
    size_t start = out->count;
    bool begins = true;
    for (int64_t i = 0; i < count && e->status == OK; i++) {
        Shown p = shown(t, ids[i]);
        if (trim && i == 0)
            p = trimmed(t, p);
        if (p.type == PIECE_BYTE) {
            char byte = (char)strtol(p.text + 3, NULL, 16);
            text_add_bytes(&bytes, &byte, 1, e);
            continue;
        }
        add_bytes(out, &bytes, e);
        begins = begins && out->count == start;
        add_shown(&t->sentencepiece, out, p, &begins, e);
    }
    add_bytes(out, &bytes, e);
    text_free(&bytes);
    return e->status;
}
