/* Tokenizers: text to token ids and back, as the tokenizer of a model folder does it. */
#ifndef MPA_TEXT_TOKENIZER_H
#define MPA_TEXT_TOKENIZER_H

#include "base/text.h"
#include "text/ids.h"

typedef struct Tokenizer Tokenizer;

/* Reads the tokenizer of a model folder: FOLDER/tokenizer.model with tokenizer_config.json
 * (sentencepiece BPE, InternLM2's and Llama's classes), else arcade100k.tiktoken (ranks of byte-level
 * BPE), else tokenizer.json (byte-level BPE). What these files hold and the program does not know is
 * BAD_INPUT that names it. NULL after a failure. Owned: tokenizer_close. */
Tokenizer *tokenizer_open(const char *folder, Error *e);
void tokenizer_close(Tokenizer *t);

/* Appends the ids of `count` bytes of text, as the family's own call tokenizer(text) gives them: with a
 * <s> in front where its class adds one (InternLM2, Llama; so a prompt of theirs is encoded as one
 * text). NUL is a character like others; each maximal part that is no UTF-8 counts as U+FFFD. Added
 * tokens are cut out first. */
Status tokenizer_encode(const Tokenizer *t, Ids *ids, const char *text, size_t count, Error *e);
/* Appends the text of the tokens, whose bytes may be no valid UTF-8. skip_special: special added
 * tokens are left out. An id outside the vocabulary has no bytes. */
Status tokenizer_decode(const Tokenizer *t, Text *text, const int32_t *ids, int64_t count, bool skip_special,
                        Error *e);

/* The id of the token with these bytes, added tokens first; -1: none. */
int32_t tokenizer_id(const Tokenizer *t, const char *token);
/* The largest id + 1. */
int64_t tokenizer_size(const Tokenizer *t);
/* The path of the file that holds its tokens, for messages. Borrowed. */
const char *tokenizer_file(const Tokenizer *t);

#endif
