#include "text/tokenizer.h"

#include "base/json.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "text/bpe.h"
#include "text/tokenizer_load.h"
#include "text/unicode.h"

#include <stdlib.h>
#include <string.h>

void ids_free(Ids *ids)
{
    free(ids->data);
    *ids = (Ids){0};
}

static bool ids_reserve(Ids *ids, int64_t more, Error *e)
{
    if (ids->count + more <= ids->capacity)
        return true;
    int64_t capacity = ids->capacity + ids->capacity / 2 + more + 32;
    int32_t *data = memory_grow(ids->data, capacity, sizeof *data, e);
    if (!data)
        return false;
    ids->data = data;
    ids->capacity = capacity;
    return true;
}

bool ids_add(Ids *ids, int32_t id, Error *e)
{
    return ids_repeat(ids, id, 1, e);
}

bool ids_repeat(Ids *ids, int32_t id, int64_t times, Error *e)
{
    if (!ids_reserve(ids, times, e))
        return false;
    for (int64_t i = 0; i < times; i++)
        ids->data[ids->count++] = id;
    return true;
}

Tokenizer *tokenizer_open(const char *path, Error *e)
{
    Tokenizer *t = memory_new(1, sizeof *t, e);
    if (t && tokenizer_load(t, path, e) != OK) {
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
    free(t->token);
    free(t->slot);
    text_free(&t->bytes);
    merges_free(&t->merges);
    free(t);
}

/* One piece, already bytes: to ids by merging from single bytes. */
static Status encode_piece(const Tokenizer *t, BpeWork *w, Ids *ids, const char *piece, size_t count,
                           Error *e)
{
    int32_t whole = t->ignore_merges ? vocabulary_find(t, piece, count) : -1;
    if (whole >= 0)
        return ids_add(ids, whole, e) ? OK : NO_MEMORY;
    if (!ids_reserve(ids, (int64_t)count, e))
        return NO_MEMORY;
    int64_t first = ids->count, n = 0;
    for (size_t i = 0; i < count; i++) {
        int32_t id = t->byte_id[(unsigned char)piece[i]];
        if (id >= 0) /* a byte without a token is dropped, as in the reference without an unknown token */
            ids->data[first + n++] = id;
    }
    n = bpe_merge(&t->merges, w, ids->data + first, n, e);
    if (n < 0)
        return NO_MEMORY;
    ids->count = first + n;
    return OK;
}

static Status encode_pieces(const Tokenizer *t, BpeWork *w, Ids *ids, const char *text, size_t count,
                            Error *e)
{
    Pieces pieces = {&t->pretokenizer, text, text + count, NULL};
    Status status = OK;
    size_t length;
    for (const char *p; status == OK && (p = pieces_next(&pieces, &length));)
        status = encode_piece(t, w, ids, p, length, e);
    return status;
}

static bool is_word(int32_t code)
{
    return code == '_' || unicode_is_letter(code) || unicode_is_number(code);
}

/* The code point that ends just before p. */
static int32_t code_before(const char *start, const char *p)
{
    const char *q = p;
    int used;
    do
        q--;
    while (q > start && ((unsigned char)*q & 0xC0) == 0x80);
    return utf8_decode(q, p, &used);
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

typedef Status Plain(const Tokenizer *t, BpeWork *w, Ids *ids, const char *text, size_t count, Error *e);

/* Cuts added tokens (of one kind) out of the text; what lies between them goes to `plain`. */
static Status cut_added(const Tokenizer *t, BpeWork *w, Ids *ids, const char *text, size_t count,
                        bool normalized, Plain *plain, Error *e)
{
    const char *p = text, *done = text, *end = text + count, *last;
    Status status = OK;
    int used;
    while (p < end && status == OK) {
        const Added *a = added_at(t, text, p, end, normalized);
        if (!a) {
            p++;
            continue;
        }
        for (last = p; a->lstrip && last > done && unicode_is_space(code_before(done, last));)
            do
                last--;
            while (last > done && ((unsigned char)*last & 0xC0) == 0x80);
        if (last > done)
            status = plain(t, w, ids, done, (size_t)(last - done), e);
        if (status == OK && !ids_add(ids, a->id, e))
            status = NO_MEMORY;
        p += a->length;
        for (used = 0; a->rstrip && p < end && unicode_is_space(utf8_decode(p, end, &used));)
            p += used;
        done = p;
    }
    if (status == OK && done < end)
        status = plain(t, w, ids, done, (size_t)(end - done), e);
    return status;
}

/* Text between added tokens that match raw text: normalised, then cut by those that match
 * normalised text. */
static Status encode_raw(const Tokenizer *t, BpeWork *w, Ids *ids, const char *text, size_t count, Error *e)
{
    bool ascii = true;
    for (size_t i = 0; i < count && ascii; i++)
        ascii = !((unsigned char)text[i] & 0x80);
    if (!t->nfc || ascii)
        return cut_added(t, w, ids, text, count, true, encode_pieces, e);
    Text composed = {0};
    Status status = unicode_nfc(&composed, text, count, e);
    if (status == OK)
        status = cut_added(t, w, ids, text_string(&composed), composed.count, true, encode_pieces, e);
    text_free(&composed);
    return status;
}

Status tokenizer_encode(const Tokenizer *t, Ids *ids, const char *text, size_t count, Error *e)
{
    Text valid = {0};
    BpeWork work = {0};
    Status status = utf8_repair(&valid, text, count, e) ? OK : NO_MEMORY;
    if (status == OK)
        status = cut_added(t, &work, ids, text_string(&valid), valid.count, false, encode_raw, e);
    bpe_free(&work);
    text_free(&valid);
    return status;
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
    for (int64_t i = 0; i < count; i++) {
        const Added *a = added_of(t, ids[i]);
        bool known = ids[i] >= 0 && ids[i] < t->size && t->token[ids[i]].length >= 0;
        bool ok = true;
        if (a)
            ok = (skip_special && a->special) || text_add_bytes(text, a->content, a->length, e);
        else if (known)
            ok = text_add_bytes(text, t->bytes.data + t->token[ids[i]].first, (size_t)t->token[ids[i]].length,
                                e);
        if (!ok)
            return NO_MEMORY;
    }
    return OK;
}

int32_t tokenizer_id(const Tokenizer *t, const char *token)
{
    for (int64_t i = 0; i < t->n_added; i++)
        if (!strcmp(t->added[i].content, token))
            return t->added[i].id;
    return vocabulary_find(t, token, strlen(token));
}

int64_t tokenizer_size(const Tokenizer *t)
{
    return t->size;
}
