/* The inside of a Tokenizer, and the kinds that there are. Included by the tokenizers' own files
 * alone. */
#ifndef MPA_TEXT_TOKENIZER_PARTS_H
#define MPA_TEXT_TOKENIZER_PARTS_H

#include "text/added.h"
#include "text/bpe.h"
#include "text/pretokenize.h"
#include "text/sentencepiece.h"
#include "text/tokenizer.h"
#include "text/vocabulary.h"

enum { MAX_ID = 1 << 22 };

/* What a kind of tokenizer does: one row in tokenizer.c, one file here. */
typedef struct {
    const char *file; /* a folder that holds a file of this name has a tokenizer of this kind */
    /* Fills a zeroed tokenizer from FOLDER/file (`path`); after a failure the caller closes it. */
    Status (*load)(Tokenizer *t, const char *folder, const char *path, Error *e);
    EncodeText *encode; /* of a whole text, valid UTF-8 */
    Status (*decode)(const Tokenizer *t, Text *text, const int32_t *ids, int64_t count, bool skip_special,
                     Error *e);
} TokenizerKind;

extern const TokenizerKind tokenizer_json_kind; /* tokenizer_json.c */
extern const TokenizerKind tiktoken_kind;       /* tiktoken.c */
extern const TokenizerKind sentencepiece_kind;  /* sentencepiece_class.c */

/* Byte-level BPE: text goes through normaliser, pre-tokenizer and merges of bytes. */
typedef struct {
    bool nfc; /* the normaliser */
    PreTokenizer pretokenizer;
    bool ignore_merges; /* a piece that is itself a token is not merged */
} ByteLevel;

EncodeText byte_level_encode;
Status byte_level_decode(const Tokenizer *t, Text *text, const int32_t *ids, int64_t count, bool skip_special,
                         Error *e);

struct Tokenizer {
    const TokenizerKind *kind;
    char *path; /* of the kind's file; owned */
    AddedTokens added;
    Merges merges;
    Vocabulary vocabulary;
    int64_t size;                /* largest id + 1, those of added tokens included */
    ByteLevel byte_level;        /* tokenizer.json, tiktoken */
    SentencePiece sentencepiece; /* tokenizer.model */
};

#endif
