/* Cutting text into the pieces within which BPE merges: the known pre-tokenizers of byte-level
 * models, scanned by hand. */
#ifndef MPA_TEXT_PRETOKENIZE_H
#define MPA_TEXT_PRETOKENIZE_H

#include <stdbool.h>
#include <stddef.h>

/* Which of the library's pre-tokenizers cut: `digits` first, then at most one of the patterns. */
typedef struct {
    bool digits; /* Digits(individual_digits): every number character is a piece */
    bool qwen2;  /* Split by Qwen2's pattern */
    bool gpt2;   /* ByteLevel(use_regex): GPT-2's pattern */
} PreTokenizer;

/* A walk over the pieces of a text (valid UTF-8, p <= end). */
typedef struct {
    const PreTokenizer *rules;
    const char *p, *end;
    const char *stop; /* the end of the part around p that `digits` leaves whole; at most p: not yet known */
} Pieces;

/* The next piece: where it starts, and its length in *count. NULL at the end. */
const char *pieces_next(Pieces *w, size_t *count);

/* Qwen2's pattern, as tokenizer.json writes it. */
extern const char pretokenize_qwen2_pattern[];

#endif
