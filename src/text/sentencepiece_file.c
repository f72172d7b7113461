/* Reading tokenizer.model, a ModelProto of sentencepiece (sentencepiece_model.proto): the pieces with
 * scores and types, and the few options that decide about results. What BPE with the identity
 * normaliser does not know is refused by name. Invariant of what is read: no two pieces have the same
 * text, exactly one is unknown, and with byte_fallback each byte has its piece. */
#include "text/tokenizer_parts.h"

#include "base/file.h"
#include "base/memory.h"
#include "text/protobuf.h"
#include "text/split_rules.h"
#include "text/unicode.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MODEL_BPE = 2 };

static Status refuse(const char *path, const char *what, Error *e)
{
    return error_set(e, BAD_INPUT, "%s: %s is not supported", path, what);
}

typedef struct {
    float score;
    int32_t id;
} Scored;

/* What is read of the file, beside what goes into the tokenizer at once. */
typedef struct {
    Tokenizer *t;
    int64_t pieces;
    Scored *scored; /* [n_scored] pieces that merging can make; owned */
    int64_t n_scored;
    uint64_t model_type;
    bool as_suffix, remove_spaces, escape_spaces;
} Reading;

static Status read_trainer(Reading *r, Protobuf m, Error *e)
{
    SentencePiece *s = &r->t->sentencepiece;
    ProtobufField f;
    const char *text;
    size_t count;
    while (protobuf_next(&m, &f, e)) {
        switch (f.number) {
        case 3: protobuf_integer(&m, &f, "trainer_spec.model_type", &r->model_type, e); break;
        case 24: protobuf_bool(&m, &f, "trainer_spec.treat_whitespace_as_suffix", &r->as_suffix, e); break;
        case 35: protobuf_bool(&m, &f, "trainer_spec.byte_fallback", &s->byte_fallback, e); break;
        case 44:
            if (protobuf_bytes(&m, &f, "trainer_spec.unk_surface", &text, &count, e) == OK) {
                free(s->unknown_text);
                s->unknown_text = memory_copy_bytes(text, count, e);
            }
            break;
        }
    }
    return e->status;
}

/* A table of replacements; the identity has none. */
static Status check_charsmap(const Protobuf *m, const ProtobufField *f, const char *name, Error *e)
{
    const char *map;
    size_t count = 0;
    protobuf_bytes(m, f, name, &map, &count, e);
    return count ? error_set(e, BAD_INPUT, "%s: %s is set; only the identity is supported", m->path, name)
                 : e->status;
}

static Status read_normalizer(Reading *r, Protobuf m, Error *e)
{
    SentencePiece *s = &r->t->sentencepiece;
    ProtobufField f;
    while (protobuf_next(&m, &f, e)) {
        switch (f.number) {
        case 2: check_charsmap(&m, &f, "normalizer_spec.precompiled_charsmap", e); break;
        case 3: protobuf_bool(&m, &f, "normalizer_spec.add_dummy_prefix", &s->dummy_prefix, e); break;
        case 4:
            protobuf_bool(&m, &f, "normalizer_spec.remove_extra_whitespaces", &r->remove_spaces, e);
            break;
        case 5: protobuf_bool(&m, &f, "normalizer_spec.escape_whitespaces", &r->escape_spaces, e); break;
        }
    }
    return e->status;
}

static Status read_denormalizer(Protobuf m, Error *e)
{
    ProtobufField f;
    while (protobuf_next(&m, &f, e))
        if (f.number == 2)
            check_charsmap(&m, &f, "denormalizer_spec.precompiled_charsmap", e);
    return e->status;
}

/* All but the pieces, which are counted. */
static Status read_options(Reading *r, Protobuf m, Error *e)
{
    ProtobufField f;
    Protobuf inner;
    while (protobuf_next(&m, &f, e)) {
        switch (f.number) {
        case 1: r->pieces++; break;
        case 2:
            protobuf_message(&m, &f, "trainer_spec", &inner, e);
            read_trainer(r, inner, e);
            break;
        case 3:
            protobuf_message(&m, &f, "normalizer_spec", &inner, e);
            read_normalizer(r, inner, e);
            break;
        case 5:
            protobuf_message(&m, &f, "denormalizer_spec", &inner, e);
            read_denormalizer(inner, e);
            break;
        }
    }
    return e->status;
}

static Status check_options(const Reading *r, const char *path, Error *e)
{
    if (e->status == OK && r->model_type != MODEL_BPE)
        return error_set(e, BAD_INPUT, "%s: trainer_spec.model_type: wanted 2 (BPE), found %llu", path,
                         (unsigned long long)r->model_type);
    if (r->as_suffix)
        refuse(path, "trainer_spec.treat_whitespace_as_suffix", e);
    if (r->remove_spaces)
        refuse(path, "normalizer_spec.remove_extra_whitespaces (which is on where the file does not say)", e);
    if (!r->escape_spaces)
        refuse(path, "normalizer_spec without escape_whitespaces", e);
    if (e->status == OK && (!r->pieces || r->pieces >= MAX_ID))
        error_set(e, BAD_INPUT, "%s: %lld pieces: wanted 1 to %d", path, (long long)r->pieces, MAX_ID - 1);
    return e->status;
}

/* The byte of the text "<0xNN>"; -1: it is none. */
static int byte_of(const char *text, size_t count)
{
    static const char digits[] = "0123456789ABCDEF";
    if (count != 6 || memcmp(text, "<0x", 3) || text[5] != '>')
        return -1;
    const char *high = text[3] ? strchr(digits, text[3]) : NULL;
    const char *low = text[4] ? strchr(digits, text[4]) : NULL;
    return high && low ? (int)(16 * (high - digits) + (low - digits)) : -1;
}

typedef struct {
    const char *text;
    size_t count;
    float score;
    uint64_t type;
} Piece;

static Status read_piece(Piece *piece, Protobuf m, Error *e)
{
    ProtobufField f;
    *piece = (Piece){.type = PIECE_NORMAL};
    while (protobuf_next(&m, &f, e)) {
        switch (f.number) {
        case 1: protobuf_bytes(&m, &f, "pieces.piece", &piece->text, &piece->count, e); break;
        case 2: protobuf_float(&m, &f, "pieces.score", &piece->score, e); break;
        case 3: protobuf_integer(&m, &f, "pieces.type", &piece->type, e); break;
        }
    }
    return e->status;
}

static Status check_piece(const Reading *r, const Piece *p, int32_t id, const char *path, Error *e)
{
    const char *what = NULL;
    if (e->status != OK)
        return e->status;
    if (!p->count || memchr(p->text, 0, p->count))
        what = "its text is empty or holds a NUL";
    else if (p->count > SPLIT_MAX_BYTES)
        what = "its text has more than 512 bytes";
    else if (!p->type || p->type > PIECE_BYTE || p->type == PIECE_UNUSED)
        what = "its type is not one of normal, unknown, control, user-defined, byte";
    else if (!isfinite(p->score))
        what = "its score is no finite number";
    else if (p->type == PIECE_BYTE && byte_of(p->text, p->count) < 0)
        what = "its type is byte, but its text is not <0x00> to <0xFF>";
    else if (p->type == PIECE_UNKNOWN && r->t->sentencepiece.unknown >= 0)
        what = "a second one of type unknown";
    else if (vocabulary_find(&r->t->vocabulary, p->text, p->count) >= 0)
        what = "an earlier piece has the same text";
    return what ? error_set(e, BAD_INPUT, "%s: piece %d (\"%.*s\"): %s", path, (int)id,
                            (int)(p->count > 40 ? 40 : p->count), p->count ? p->text : "", what)
                : OK;
}

static Status add_user_defined(SentencePiece *s, const Piece *p, int32_t id, Error *e)
{
    char text[SPLIT_MAX_BYTES + 1];
    snprintf(text, sizeof text, "%.*s", (int)p->count, p->text);
    return added_add(&s->user, (Added){.id = id}, text, e);
}

static Status add_piece(Reading *r, const Piece *p, int32_t id, const char *path, Error *e)
{
    SentencePiece *s = &r->t->sentencepiece;
    check_piece(r, p, id, path, e);
    vocabulary_add(&r->t->vocabulary, id, p->text, p->count, e);
    if (e->status != OK)
        return e->status;
    s->type[id] = (unsigned char)p->type;
    if (p->type == PIECE_UNKNOWN)
        s->unknown = id;
    if (p->type == PIECE_BYTE)
        s->byte_id[byte_of(p->text, p->count)] = id;
    if (p->type == PIECE_USER_DEFINED)
        add_user_defined(s, p, id, e);
    if (sentencepiece_can_merge(s, id)) {
        r->scored[r->n_scored] = (Scored){p->score, id};
        r->n_scored++;
    }
    return e->status;
}

static Status read_pieces(Reading *r, Protobuf m, Error *e)
{
    Tokenizer *t = r->t;
    SentencePiece *s = &t->sentencepiece;
    ProtobufField f;
    Protobuf inner;
    Piece piece;
    int32_t id = 0;
    s->type = memory_new(r->pieces, sizeof *s->type, e);
    r->scored = memory_new(r->pieces, sizeof *r->scored, e);
    vocabulary_init(&t->vocabulary, r->pieces, r->pieces, e);
    while (protobuf_next(&m, &f, e)) {
        if (f.number != 1)
            continue;
        protobuf_message(&m, &f, "pieces", &inner, e);
        read_piece(&piece, inner, e);
        add_piece(r, &piece, id, m.path, e);
        id++;
    }
    s->pieces = r->pieces;
    t->size = r->pieces;
    return e->status;
}

static Status check_pieces(const SentencePiece *s, const char *path, Error *e)
{
    if (e->status == OK && s->unknown < 0)
        return error_set(e, BAD_INPUT, "%s: no piece is of type unknown (<unk>)", path);
    for (int b = 0; b < 256 && e->status == OK; b++)
        if (s->byte_fallback != (s->byte_id[b] >= 0))
            error_set(e, BAD_INPUT, "%s: byte_fallback is %s, but the piece <0x%02X> is %s", path,
                      s->byte_fallback ? "on" : "off", (unsigned)b, s->byte_fallback ? "missing" : "there");
    return e->status;
}

static int by_score(const void *a, const void *b)
{
    float x = ((const Scored *)a)->score;
    float y = ((const Scored *)b)->score;
    return (x < y) - (x > y);
}

/* The highest score merges first. Equal scores are one rank: there the leftmost pair is first. */
static Status make_rules(Reading *r, Error *e)
{
    Tokenizer *t = r->t;
    int32_t *rank = memory_new(r->pieces, sizeof *rank, e);
    if (!rank)
        return e->status;
    for (int64_t i = 0; i < r->pieces; i++)
        rank[i] = -1;
    qsort(r->scored, (size_t)r->n_scored, sizeof *r->scored, by_score);
    for (int64_t i = 0; i < r->n_scored; i++) {
        const Scored *k = r->scored + i;
        rank[k->id] = i && k->score == k[-1].score ? rank[k[-1].id] : (int32_t)i;
    }
    split_rules(&t->merges, &t->vocabulary, rank, sentencepiece_symbol, t, e);
    free(rank);
    return e->status;
}

Status sentencepiece_read(Tokenizer *t, const char *path, Error *e)
{
    Text file = {0};
    SentencePiece *s = &t->sentencepiece;
    Reading r = {.t = t, .model_type = 1, .remove_spaces = true, .escape_spaces = true};
    file_read(&file, path, (size_t)1 << 25, e);
    *s = (SentencePiece){.unknown = -1, .dummy_prefix = true, .first = -1, .last = -1};
    s->unknown_text = memory_copy(" \xE2\x81\x87 ", e);
    added_init(&s->user, unicode_is_space);
    for (int b = 0; b < 256; b++)
        s->byte_id[b] = -1;
    const unsigned char *start = (const unsigned char *)text_string(&file);
    const Protobuf all = {path, start, start, start + file.count};
    read_options(&r, all, e);
    check_options(&r, path, e);
    read_pieces(&r, all, e);
    check_pieces(s, path, e);
    make_rules(&r, e);
    free(r.scored);
    text_free(&file);
    return e->status;
}
