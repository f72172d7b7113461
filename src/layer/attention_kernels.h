/* The kernels of attention on float arrays: three forwards of the same formula, of which
 * attention.c chooses one, and two backwards. They take the Run for scratch memory only; a
 * failure stays in run->error. */
#ifndef MPA_LAYER_ATTENTION_KERNELS_H
#define MPA_LAYER_ATTENTION_KERNELS_H

#include "base/number.h"
#include "kernel/kernels.h"
#include "layer/layer.h"

/* Keys and values of one sequence: `count` rows, of which the first `past` were there before its
 * rows of this pass. Row j of key/value head g is at key + g * head + j * key_stride. */
typedef struct {
    const float *key, *value;
    int64_t key_stride, value_stride, head;
    int64_t count, past;
} Keys;

/* What it takes to recompute a row of P: exp(score - max) * inv_sum. */
typedef struct {
    float max, inv_sum;
} SoftmaxRow;

/* What the kernels read and write. Row n of q and o is [H,E], at q + n * q_stride, o + n *
 * o_stride. */
typedef struct {
    const Attention *a;
    const Seqs *seqs;
    const Keys *keys; /* [S] */
    const float *q;
    float *o;
    int64_t q_stride, o_stride;
    SoftmaxRow *row; /* [H,N], kept for the backward; NULL: nobody wants it */
} AttentionArrays;

/* Row i of the sequence sees so many keys, from the first on. */
static inline int64_t attention_visible(const Attention *a, const Keys *keys, int64_t i)
{
    return a->causal ? keys->past + i + 1 : keys->count;
}

static inline int64_t attention_rows(const AttentionArrays *x)
{
    return x->seqs->start[x->seqs->count];
}

/* The largest number of keys of a sequence. */
static inline int64_t attention_longest(const AttentionArrays *x)
{
    int64_t longest = 0;
    for (int64_t s = 0; s < x->seqs->count; s++)
        longest = max_i64(longest, x->keys[s].count);
    return longest;
}

/* scores[count] := softmax(scores) */
static inline SoftmaxRow attention_softmax(float *scores, int64_t count)
{
    SoftmaxRow r = {.max = kernels->max(scores, count)};
    r.inv_sum = (float)(1 / kernels->exp_sum(scores, r.max, count));
    for (int64_t j = 0; j < count; j++)
        scores[j] *= r.inv_sum;
    return r;
}

/* o = softmax(scale q k^T) v.
 * decode: every sequence has one row; row is not filled in.
 * tiles: any rows, on register tiles (kernels->tile).
 * blocks: any rows, by gemm_block. */
void attention_decode(Run *run, const AttentionArrays *x);
void attention_tiles(Run *run, const AttentionArrays *x);
void attention_blocks(Run *run, const AttentionArrays *x);

/* For the kernels on tiles: columns of a tile, at most; keys in one sum of o and of dq. */
enum { ATTENTION_COLS = 64, ATTENTION_KEYS = 256 };

/* A part of a thread's memory. */
typedef struct {
    float **part;
    int64_t count; /* of its floats */
} ScratchPart;

/* Cuts `memory` (unless it is NULL) into n parts; returns how many floats they take. */
static inline int64_t attention_cut(float *memory, const ScratchPart *parts, size_t n)
{
    int64_t used = 0;
    for (size_t i = 0; i < n; i++) {
        *parts[i].part = memory ? memory + used : NULL;
        used += parts[i].count;
    }
    return used;
}

/* Floats that a thread of attention_tiles takes for so many keys. */
int64_t attention_tiles_scratch(int64_t keys, int64_t width);

/* dq, dk, dv += the gradients for d_o, laid out as q, the keys, the values and o; with `row`
 * filled in by the forward, and no past. */
void attention_bwd(Run *run, const AttentionArrays *x, float *dq, float *dk, float *dv, const float *d_o);

/* What a query head adds to. */
typedef struct {
    float *dq;      /* as q */
    float *dk, *dv; /* [N,H*E]: each query head's own, because heads share keys and values */
    const float *d_o;
} AttentionGrads;

/* The mean of a row's dP = do v^T under its P: sum_j P_j dP_j = sum_e do_e o_e. n: the row, in the batch. */
static inline float attention_mean_slope(const AttentionArrays *x, const float *d_o, int64_t n, int64_t h)
{
    const float *o = x->o + n * x->o_stride + h * x->a->width;
    const float *dy = d_o + n * x->o_stride + h * x->a->width;
    double sum = 0;
    for (int64_t e = 0; e < x->a->width; e++)
        sum += (double)dy[e] * (double)o[e];
    return (float)sum;
}

/* The gradients of query head h of sequence s, on register tiles: adds to dq, sets its own dk and dv. */
void attention_bwd_tiles(const AttentionArrays *x, const AttentionGrads *g, int64_t s, int64_t h,
                         float *scratch);
/* Floats that a thread of attention_bwd takes for so many keys, on tiles or not. */
int64_t attention_bwd_scratch(int64_t keys, int64_t width);

/* Query rows in a block of attention_blocks and attention_bwd. */
enum { ATTENTION_BLOCK = 64 };

#endif
