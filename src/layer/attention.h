/* What the files of attention share. */
#ifndef MPA_LAYER_ATTENTION_H
#define MPA_LAYER_ATTENTION_H

#include "layer/layer.h"

/* Keys and values of one sequence: `count` rows of which `past` are older than its first row in
 * the batch; from one head's to the next `head` floats. */
typedef struct {
    const float *key, *value;
    int64_t key_stride, value_stride, head, count, past;
} Keys;

/* What it takes to form a row of P again: exp(score - most) * part. */
typedef struct {
    float most, part;
} SoftmaxRow;

/* How many keys row i of the sequence sees. */
static inline int64_t attention_visible(const Attention *a, const Keys *keys, int64_t i)
{
    return a->causal ? keys->past + i + 1 : keys->count;
}

/* The most keys that one of `count` sequences has. */
static inline int64_t attention_longest(const Keys *keys, int64_t count)
{
    int64_t longest = 0;
    for (int64_t s = 0; s < count; s++)
        longest = keys[s].count > longest ? keys[s].count : longest;
    return longest;
}

/* The rows of all sequences forward, on tiles; keys: one for each sequence; row [H, N]: filled
 * in, or NULL. */
void attention_tiles(Run *run, const Attention *a, const Keys *keys, const Mat *q, Mat *o, const Seqs *seqs,
                     SoftmaxRow *row);

#endif
