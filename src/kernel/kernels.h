/* The inner loops that decide speed. There is one set of them per instruction set, each in a
 * file of its own. One set is chosen when the program starts: the best that this CPU can run, or
 * the one that the environment variable MPA_KERNELS names. All sets compute the same formulas.
 * They differ in the order of sums and in fused multiply-adds, so each has its own last bits. */
#ifndef MPA_KERNEL_KERNELS_H
#define MPA_KERNEL_KERNELS_H

#include "kernel/weight.h"

/* The numbers of one AdamW update:
 *   m += b1 (scale g - m)
 *   v += b2 ((scale g)^2 - v)
 *   p = keep p - step m / (root sqrt(v) + epsilon) */
typedef struct {
    float scale, b1, b2, keep, step, root, epsilon;
} AdamW;

/* A product of blocks, c[rows, cols] = (add ? c : 0) + A B. It reads panels: packed copies of
 * `rows` rows of A and of `cols` columns of B, padded with zeros to a multiple of `step` along
 * K. */
typedef struct {
    int rows, cols;
    int left_bytes, right_bytes; /* of a value in a panel of A, of B */
    int step;                    /* K of a panel is a multiple of it */
    int64_t chunk;               /* and at most this; a multiple of step */
    void (*multiply)(float *c, int64_t ldc, const void *a, const void *b, int64_t K, bool add);
    /* One panel of A, or with `right` of B, from the first `count` rows of w, K values of each.
     * Missing rows become 0. */
    void (*pack)(void *out, bool right, const Weight *w, int64_t count, int64_t K);
    /* All panels, one after another, from the first `count` columns of w, K rows of it. */
    void (*pack_columns)(void *out, bool right, const Weight *w, int64_t count, int64_t K);
    /* A thread calls these before its first and after its last `multiply`. NULL: nothing to do. */
    void (*start)(void);
    void (*stop)(void);
} Tile;

typedef struct {
    const char *name;

    /* tile: with panels of float32, A's (m, k) at [k * rows + m] and B's (k, n) at [k * cols +
     * n]. fastest: the fastest one that is as exact as float32, perhaps the same; fastest_bf16: where
     * B is in bf16. All NULL: the set has none, and gemm_block multiplies. */
    const Tile *tile, *fastest, *fastest_bf16;

    /* out[count] = in[count] as float32, from F32, F16 or BF16. */
    void (*widen)(float *out, const void *in, Dtype type, int64_t count);

    /* Few rows, as in decoding: each row of w is read once, as it is stored.
     * prepare: a row of x in the order that `stream` wants; takes stream_width(I) floats.
     * stream: y[n * ldy + r] = sum_i x[n, i] w[r, i] for N prepared rows of x and the first `rows`
     * rows of w.
     * scores: the same with q[N, I] as it is and float32 keys, `stride` from a key to the next.
     * mix: y[n * ldy + i] = sum_k p[n * ldp + k] v[k * stride + i] for K rows of values. */
    int64_t few; /* up to so many rows of x, `stream` is faster than tiles */
    int64_t (*stream_width)(Dtype type, int64_t I);
    void (*prepare)(float *out, const float *x, Dtype type, int64_t I);
    void (*stream)(float *y, int64_t ldy, const float *x, const Weight *w, int64_t N, int64_t rows,
                   int64_t I);
    void (*scores)(float *y, int64_t ldy, const float *q, const float *key, int64_t stride, int64_t N,
                   int64_t rows, int64_t I);
    void (*mix)(float *y, int64_t ldy, const float *p, int64_t ldp, const float *v, int64_t stride, int64_t N,
                int64_t K, int64_t I);

    float (*max)(const float *x, int64_t count); /* of x[count]; count >= 1 */
    /* x := exp(x - shift) where x <= shift. Returns the sum of the results. */
    double (*exp_sum)(float *x, float shift, int64_t count);
    /* Each column of x[K, tile->cols]: x := exp(scale x - max), max its largest scale x, sum the
     * sum of the results. scale > 0, K >= 1. NULL without a tile. */
    void (*softmax)(float *x, int64_t K, float scale, float *max, double *sum);
    /* Backward of the same: x := P = exp(scale x - max) inv_sum, and slope[K, tile->cols], which holds P's gradient, becomes that of
     * the scaled x: P (slope - mean). One max, inv_sum and mean for each column. */
    void (*softmax_bwd)(float *x, float *slope, int64_t K, float scale, const float *max,
                        const float *inv_sum, const float *mean);
    /* x := 1 / (1 + exp(-x)) */
    void (*sigmoid)(float *x, int64_t count);

    double (*square_sum)(const float *x, int64_t count);
    void (*adamw)(float *p, float *m, float *v, const float *g, int64_t count, const AdamW *o);
} Kernels;

/* The chosen set; the plain one until kernels_choose is called. */
extern const Kernels *kernels;

/* Chooses the set `name` (as in MPA_KERNELS), or with NULL or "" the best that this CPU can run.
 * BAD_USAGE: there is no such set, or this CPU or build lacks it. */
Status kernels_choose(const char *name, Error *e);
/* Set i of those that this build has and this CPU can run: best first, the plain one last, then
 * NULL. */
const Kernels *kernels_available(int i);

extern const Kernels kernels_plain;

#endif
