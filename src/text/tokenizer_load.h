/* The inside of a Tokenizer, and reading it from tokenizer.json. Included by the tokenizer's own
 * files alone. */
#ifndef MPA_TEXT_TOKENIZER_LOAD_H
#define MPA_TEXT_TOKENIZER_LOAD_H

#include "text/bpe.h"
#include "text/pretokenize.h"
#include "text/tokenizer.h"

/* The bytes of a token: bytes[first .. first + length - 1]; length -1: no token has this id. */
typedef struct {
    int64_t first, length;
} Token;

/* A token that is cut out of the text before anything else. */
typedef struct {
    char *content; /* owned */
    size_t length;
    int32_t id, next; /* next: the following one with the same first byte, -1 at the end */
    bool special, normalized, lstrip, rstrip, single_word;
} Added;

struct Tokenizer {
    Text bytes;    /* of all tokens */
    Token *token;  /* [size] */
    int64_t size;  /* largest id + 1 */
    int32_t *slot; /* [slots] hash table from bytes to id, -1 empty */
    uint64_t slots;
    int32_t byte_id[256]; /* token of a single byte, -1: none */
    Merges merges;
    bool ignore_merges, nfc;
    PreTokenizer pretokenizer;
    Added *added;
    int64_t n_added;
    int32_t added_first[256];
};

Status tokenizer_load(Tokenizer *t, const char *path, Error *e);
int32_t vocabulary_find(const Tokenizer *t, const char *bytes, size_t count); /* -1: none */

#endif
