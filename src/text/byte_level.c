/* Byte-level BPE, from text to ids as the tokenizers library does it:
 *
 *   added tokens that match raw text are cut out -> NFC -> added tokens that match normalised text
 *   are cut out -> pieces -> merges, piece by piece
 *
 * and back: the bytes of the tokens, one after another. */
#include "text/tokenizer_parts.h"

#include "text/unicode.h"

/* The ids of one piece: the token that it is, or what merging makes of its bytes. A byte without a
 * token is dropped, as in the reference when there is no unknown token. */
static Status encode_piece(Encoding *g, const char *piece, size_t count, Error *e)
{
    const Tokenizer *t = g->tokenizer;
    Ids *ids = g->ids;
    int32_t whole = t->byte_level.ignore_merges ? vocabulary_find(&t->vocabulary, piece, count) : -1;
    if (whole >= 0) {
        ids_add(ids, whole, e);
        return e->status;
    }
    if (ids_reserve(ids, (int64_t)count, e) != OK)
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
    if (bpe_merge(&t->merges, &g->work, out, &n, e) == OK)
        ids->count += n;
    return e->status;
}

static Status encode_pieces(Encoding *g, const char *text, size_t count, Error *e)
{
    Pieces pieces = {&g->tokenizer->byte_level.pretokenizer, text, text + count, NULL};
    size_t length;
    const char *p = pieces_next(&pieces, &length);
    while (p && e->status == OK) {
        encode_piece(g, p, length, e);
        p = pieces_next(&pieces, &length);
    }
    return e->status;
}

/* Text between added tokens that match raw text. ASCII is NFC already. */
static Status encode_raw(Encoding *g, const char *text, size_t count, Error *e)
{
    const Tokenizer *t = g->tokenizer;
    bool ascii = true;
    for (size_t i = 0; i < count && ascii; i++)
        ascii = !((unsigned char)text[i] & 0x80);
    if (!t->byte_level.nfc || ascii)
        return added_cut(&t->added, g, text, count, true, encode_pieces, e);
    Text composed = {0};
    unicode_nfc(&composed, text, count, e);
    added_cut(&t->added, g, text_string(&composed), composed.count, true, encode_pieces, e);
    text_free(&composed);
    return e->status;
}

Status byte_level_encode(Encoding *g, const char *text, size_t count, Error *e)
{
    return added_cut(&g->tokenizer->added, g, text, count, false, encode_raw, e);
}

Status byte_level_decode(const Tokenizer *t, Text *text, const int32_t *ids, int64_t count, bool skip_special,
                         Error *e)
{
    const Vocabulary *v = &t->vocabulary;
    for (int64_t i = 0; i < count && e->status == OK; i++) {
        const Added *a = added_of(&t->added, ids[i]);
        if (a && skip_special && a->special)
            continue;
        if (a)
            text_add_bytes(text, a->content, a->length, e);
        else if (vocabulary_has(v, ids[i]))
            text_add_bytes(text, v->bytes.data + v->token[ids[i]].first, (size_t)v->token[ids[i]].length, e);
    }
    return e->status;
}
