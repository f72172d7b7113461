/* The inside of a Tokenizer, and the files that fill one. Included by the tokenizer's own files
 * alone. */
#ifndef MPA_TEXT_TOKENIZER_PARTS_H
#define MPA_TEXT_TOKENIZER_PARTS_H

#include "text/bpe.h"
#include "text/pretokenize.h"
#include "text/tokenizer.h"
#include "text/vocabulary.h"

/* A token that is cut out of the text before anything else. */
typedef struct {
    char *content; /* owned */
    size_t length;
    int32_t id;
    int32_t next; /* the following one with the same first byte; -1: none */
    bool special, normalized, lstrip, rstrip, single_word;
} Added;

/* Text goes through the parts from the last to the first: added tokens, normaliser, pre-tokenizer,
 * merges, vocabulary. */
struct Tokenizer {
    Vocabulary vocabulary;
    Merges merges;
    bool ignore_merges; /* a piece that is itself a token is not merged */
    PreTokenizer pretokenizer;
    bool nfc;     /* the normaliser */
    Added *added; /* [n_added], owned */
    int64_t n_added;
    int32_t added_first[256]; /* the first with that first byte; -1: none */
    int64_t size;             /* largest id + 1, those of added tokens included */
};

/* Fills a zeroed tokenizer from a file tokenizer.json; after a failure the caller closes it. */
Status tokenizer_json_load(Tokenizer *t, const char *path, Error *e);

#endif
