/* Byte-pair merges. As long as two neighbouring ids have a rule, the pair of lowest rank, the leftmost
 * of equals, becomes one id (Sennrich, Haddow, Birch 2016). O(n log n). */
#ifndef MPA_TEXT_BPE_H
#define MPA_TEXT_BPE_H

#include "base/error.h"

/* The rules: from (left, right) to rank and merged id. Owned: merges_free. A zeroed one may be freed. */
typedef struct {
    struct MergeSlot *slot;
    uint64_t capacity; /* a power of two */
} Merges;

/* Room for `count` rules. */
Status merges_init(Merges *m, int64_t count, Error *e);
void merges_free(Merges *m);
/* Of two rules for one pair the one added later counts. */
void merges_add(Merges *m, int32_t left, int32_t right, int32_t rank, int32_t merged);

/* Memory for merging, kept from piece to piece. Owned: bpe_free. A zeroed one is empty. */
typedef struct {
    struct BpeSymbol *symbol;
    struct BpeCandidate *heap;
    int64_t symbols; /* capacity */
} BpeWork;
void bpe_free(BpeWork *w);

/* Merges ids[*count] in place; *count becomes the new count. */
Status bpe_merge(const Merges *m, BpeWork *w, int32_t *ids, int64_t *count, Error *e);

#endif
