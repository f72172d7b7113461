/* The tokens of a vocabulary: from id to bytes, and from bytes to id. */
#ifndef MPA_TEXT_VOCABULARY_H
#define MPA_TEXT_VOCABULARY_H

#include "base/text.h"

/* Where the bytes of a token stand in Vocabulary.bytes; length -1: no token has this id. */
typedef struct {
    int64_t first, length;
} Token;

/* Owned: vocabulary_free. A zeroed one may be freed. */
typedef struct {
    Text bytes;    /* of all tokens, one after another */
    Token *token;  /* [size] */
    int64_t size;  /* largest id + 1 */
    int32_t *slot; /* [slots] hash table from bytes to id; -1: empty */
    uint64_t slots;
    int32_t byte_id[256]; /* the token of a single byte; -1: none */
} Vocabulary;

/* An empty vocabulary for `count` tokens with ids below `size`. */
Status vocabulary_init(Vocabulary *v, int64_t size, int64_t count, Error *e);
void vocabulary_free(Vocabulary *v);

/* Adds a token whose id is new. Of two tokens with the same bytes the first is found by them. */
Status vocabulary_add(Vocabulary *v, int32_t id, const char *bytes, size_t count, Error *e);
/* The id of the token with these bytes; -1: none. */
int32_t vocabulary_find(const Vocabulary *v, const char *bytes, size_t count);
/* Whether a token has this id. */
bool vocabulary_has(const Vocabulary *v, int64_t id);

#endif
