/* Byte-pair merges: a sequence of token ids is merged, lowest rank first, leftmost of equals,
 * until no pair has a rule. O(n log n). */
#ifndef MPA_TEXT_BPE_H
#define MPA_TEXT_BPE_H

#include "base/text.h"

/* From (left, right) to rank and merged id. Owned: merges_free. */
typedef struct {
    struct MergeSlot *slot;
    uint64_t capacity; /* a power of two */
} Merges;

Status merges_init(Merges *m, int64_t count, Error *e);
void merges_free(Merges *m);
/* Of two rules for one pair the later added counts. */
void merges_add(Merges *m, int32_t left, int32_t right, int32_t rank, int32_t merged);

/* Memory for merging, kept between pieces. Owned: bpe_free. A zeroed one is empty. */
typedef struct {
    struct BpeSymbol *symbol;
    struct BpeCandidate *heap;
    int64_t symbols; /* capacity */
} BpeWork;
void bpe_free(BpeWork *w);

/* Merges ids[count] in place; the new count, or -1 with e set (NO_MEMORY). */
int64_t bpe_merge(const Merges *m, BpeWork *w, int32_t *ids, int64_t count, Error *e);

#endif
