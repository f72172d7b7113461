/* SentencePiece's BPE, and the two Python classes that models of this program put around it. Included
 * by the tokenizers' own files alone. */
#ifndef MPA_TEXT_SENTENCEPIECE_H
#define MPA_TEXT_SENTENCEPIECE_H

#include "base/json.h"
#include "text/added.h"

/* ModelProto.SentencePiece.Type */
typedef enum {
    PIECE_NORMAL = 1,
    PIECE_UNKNOWN = 2,
    PIECE_CONTROL = 3,
    PIECE_USER_DEFINED = 4,
    PIECE_UNUSED = 5,
    PIECE_BYTE = 6,
} PieceType;

/* U+2581, the mark: it stands for a space in pieces. */
#define SPACE_MARK "\xE2\x96\x81"
enum { SPACE_MARK_BYTES = 3 };

/* What differs between the classes. */
typedef struct {
    bool reads_marks;  /* encoding: marks in the text are spaces; a lone mark before a listed token goes */
    bool marks_text;   /* encoding: a mark comes before the whole text */
    bool trims_first;  /* decoding: the mark that begins an item is dropped */
    bool space_first;  /* decoding: a space before a listed token that begins an item */
    bool space_before; /* decoding: a space before the pieces between two listed tokens */
    bool clean_up;     /* decoding: spaces before punctuation are dropped from each item */
} ClassRules;

/* Owned: sentencepiece_free. A zeroed one may be freed. */
typedef struct {
    unsigned char *type; /* [pieces] PieceType; owned */
    int64_t pieces;
    int32_t byte_id[256]; /* the piece <0xNN>; used with byte_fallback */
    int32_t unknown;      /* the piece of type UNKNOWN */
    bool byte_fallback;   /* a character without a piece becomes its bytes; else it is unknown */
    bool dummy_prefix;    /* a mark comes before each stretch of text */
    char *unknown_text;   /* what the unknown piece is decoded to; owned */
    AddedTokens user;     /* the user-defined pieces */
    ClassRules rules;
    int32_t first, last; /* the ids before and after each text; -1: none */
} SentencePiece;

void sentencepiece_free(SentencePiece *s);

/* Reads tokenizer.model: vocabulary, merge rules, and of t->sentencepiece all but rules, first, last. */
Status sentencepiece_read(Tokenizer *t, const char *path, Error *e);

/* Reads FOLDER/tokenizer_config.json, after sentencepiece_read: added tokens, rules, first, last. */
Status sentencepiece_config(Tokenizer *t, const char *folder, Error *e);

/* While merging: the id of a piece of type normal or user-defined; else MAX_ID + code point for a
 * single character; -1 for other bytes. A SymbolOf whose context is the tokenizer. */
int32_t sentencepiece_symbol(const void *tokenizer, const char *bytes, size_t count);
/* Whether merging may make or meet the piece `id`. */
bool sentencepiece_can_merge(const SentencePiece *s, int32_t id);

/* Appends the ids of a stretch of text without added tokens: sp.encode(text). */
EncodeText sentencepiece_encode;

/* Appends the text of pieces: sp.decode(pieces). trim: a mark at the start of the first piece is
 * dropped before. */
Status sentencepiece_decode(const Tokenizer *t, Text *out, const int32_t *ids, int64_t count, bool trim,
                            Error *e);
/* Whether the text of an id that is no added token's begins with a mark. */
bool sentencepiece_is_marked(const Tokenizer *t, int32_t id);

#endif
