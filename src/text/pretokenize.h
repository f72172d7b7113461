/* Cutting text into the pieces within which BPE merges: the known pre-tokenizers of byte-level
 * models, scanned by hand. */
#ifndef MPA_TEXT_PRETOKENIZE_H
#define MPA_TEXT_PRETOKENIZE_H

#include <stdbool.h>
#include <stddef.h>

typedef struct {
    bool qwen2;  /* Split by Qwen2's pattern */
    bool digits; /* Digits(individual_digits): every number character is a piece */
    bool gpt2;   /* ByteLevel(use_regex): GPT-2's pattern */
} PreTokenizer;

/* A walk over the pieces of text (valid UTF-8, p <= end). */
typedef struct {
    const PreTokenizer *rules;
    const char *p, *end;
    const char *stop; /* end of the part that later rules see as a whole; at most p: not known yet */
} Pieces;

/* The next piece: its start, and its length in *count. NULL at the end. */
const char *pieces_next(Pieces *w, size_t *count);

/* Qwen2's pattern as it stands in tokenizer.json. */
extern const char pretokenize_qwen2_pattern[];

#endif
