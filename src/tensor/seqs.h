/* Packed sequences, and the keys and values of their past.
 *
 * The rows of all sequences of a batch follow one another; sequence s has the rows start[s] to
 * start[s+1] - 1. */
#ifndef MPA_TENSOR_SEQS_H
#define MPA_TENSOR_SEQS_H

#include "tensor/run.h"

typedef struct {
    int64_t count;
    const int64_t *start; /* [count + 1], start[0] = 0; borrowed */
} Seqs;

/* The key/value cache: keys and values of S sequences in L layers. Slot s has room for
 * capacity[s] rows and holds length[s]. Inside a slot the rows of each head are together, as
 * decoding reads them. */
typedef struct {
    int64_t layers, width; /* width = kv heads * head width */
    int64_t slots;
    int64_t *first;     /* [slots + 1]: first row of each slot */
    int64_t *length;    /* [slots] */
    float *key, *value; /* [layers, first[slots] * width]; of a slot: [kv heads, capacity, head width] */
    /* [sequences of the next pass]: the slot of each; the caller changes it as sequences finish */
    int64_t *slot;
} KvCache;

/* Empty slots of these capacities, in rows. Arena memory. NULL after a failure. */
KvCache *kv_cache_new(Run *run, int64_t layers, int64_t width, const int64_t *capacity, int64_t slots);
int64_t kv_cache_bytes(int64_t layers, int64_t width, int64_t rows);
/* To be called after a pass over `seqs`: the rows of that pass become past. */
void kv_cache_advance(KvCache *c, const Seqs *seqs);

#endif
