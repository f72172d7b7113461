/* Byte-level BPE tokenizers from a Hugging Face tokenizer.json. */
#ifndef MPA_TEXT_TOKENIZER_H
#define MPA_TEXT_TOKENIZER_H

#include "base/text.h"

/* A growable list of token ids. Owned: ids_free. */
typedef struct {
    int32_t *data;
    int64_t count, capacity;
} Ids;

void ids_free(Ids *ids);
bool ids_add(Ids *ids, int32_t id, Error *e);
bool ids_repeat(Ids *ids, int32_t id, int64_t times, Error *e);

typedef struct Tokenizer Tokenizer;

/* Reads tokenizer.json. An unknown normalizer, pre-tokenizer, pattern, decoder or post-processor
 * is BAD_INPUT that names it. NULL on failure. Owned: tokenizer_close. */
Tokenizer *tokenizer_open(const char *path, Error *e);
void tokenizer_close(Tokenizer *t);

/* Appends the ids of `count` bytes of text (NUL and invalid UTF-8 included: each maximal invalid
 * subpart counts as U+FFFD). Added tokens are cut out first. No beginning or end token is put
 * in. */
Status tokenizer_encode(const Tokenizer *t, Ids *ids, const char *text, size_t count, Error *e);
/* Appends the bytes of the tokens (raw: they may be no valid UTF-8); special added tokens are
 * left out when skip_special. An id outside the vocabulary: as the reference does (nothing is
 * written). */
Status tokenizer_decode(const Tokenizer *t, Text *text, const int32_t *ids, int64_t count, bool skip_special,
                        Error *e);

/* id of a token by its content (added tokens first); -1: none */
int32_t tokenizer_id(const Tokenizer *t, const char *token);
int64_t tokenizer_size(const Tokenizer *t); /* largest id + 1 */

#endif
