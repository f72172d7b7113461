/* The inner loops that decide speed. There is a set of them per instruction set, each in a file
 * of its own; one set is chosen when a program starts, the best that this CPU has or the one
 * that the environment variable MPA_KERNELS names. All sets compute the same formulas; they
 * differ in the order of sums and in fused multiply-adds, so each has its own last bits. */
#ifndef MPA_KERNEL_KERNELS_H
#define MPA_KERNEL_KERNELS_H

#include "kernel/weight.h"

/* The numbers of one AdamW update: m += b1 (scale g - m);  v += b2 ((scale g)^2 - v);  p = keep
 * p - step m / (root sqrt(v) + epsilon) */
typedef struct {
    float scale, b1, b2, keep, step, root, epsilon;
} AdamW;

/* A product of blocks, c[rows, cols] = (add ? c : 0) + A B, from a panel of A, `rows` of its
 * rows packed for it, and a panel of B, `cols` of its columns. A value takes `bytes` in a panel,
 * and k is filled up with zeros to a multiple of `step`; `chunk`, a multiple of that: the k that
 * a panel should have at most. */
typedef struct {
    int rows, cols, bytes, step;
    int64_t chunk;
    void (*multiply)(float *c, int64_t ldc, const void *a, const void *b, int64_t K, bool add);
    /* A panel of A, or with `right` of B, from the first `count` rows of w, K values of each;
     * missing rows become 0. */
    void (*pack)(void *out, bool right, const Weight *w, int64_t count, int64_t K);
    /* All panels, one after another, of the first `count` columns of w, K rows of it. */
    void (*pack_columns)(void *out, bool right, const Weight *w, int64_t count, int64_t K);
    /* Called by a thread before and after any number of `multiply`; NULL: not needed. */
    void (*start)(void);
    void (*stop)(void);
} Tile;

typedef struct {
    const char *name;

    /* tile: of float32, where A's (m, k) stands at [k * rows + m] and B's (k, n) at [k * cols +
     * n]. fastest: the fastest one with float32's exactness, perhaps the same. NULL both: the
     * set has none; gemm_block multiplies. */
    const Tile *tile, *fastest;

    /* Where the CPU multiplies matrices of bf16: x as the sum of three bf16 parts (of
     * split_panel rows and split_chunk columns at most; 6 bytes per value, rows rounded up to a
     * multiple of 32, columns too), and c[outputs, split_panel] += w x' (c has room for a
     * multiple of 32 outputs; w: bf16). split_panel 0: the set has none. */
    int64_t split_panel, split_chunk;
    void (*split)(uint16_t *parts, const float *x, int64_t stride, int64_t rows, int64_t K);
    void (*split_multiply)(float *c, const uint16_t *parts, int64_t rows, const Weight *w, int64_t outputs,
                           int64_t K);

    /* out[count] = in[count] as float32, from F32, F16 or BF16. */
    void (*widen)(float *out, const void *in, Dtype type, int64_t count);

    /* Few rows, as in decoding: y[n * ldy + r] = sum_i x[n, i] w[r, i] for N rows of x and the
     * first `rows` rows of w, of which each is read once. x as `prepare`
     * left it: stream_width(I) floats per row. scores: the same with q[N, I] as it is and keys.
     * mix: values, which are summed along the other side: y[n * ldy + i] = sum_k p[n * ldp + k]
     * v[k * stride + i], K of them. */
    int64_t few; /* up to so many rows this is faster than tiles */
    int64_t (*stream_width)(Dtype type, int64_t I);
    void (*prepare)(float *out, const float *x, Dtype type, int64_t I);
    void (*stream)(float *y, int64_t ldy, const float *x, const Weight *w, int64_t N, int64_t rows,
                   int64_t I);
    void (*scores)(float *y, int64_t ldy, const float *q, const float *key, int64_t stride, int64_t N,
                   int64_t rows, int64_t I);
    void (*mix)(float *y, int64_t ldy, const float *p, int64_t ldp, const float *v, int64_t stride, int64_t N,
                int64_t K, int64_t I);

    float (*most)(const float *x, int64_t count); /* the largest; count >= 1 */
    /* x := exp(x - shift), x - shift <= 0; the sum of the results. */
    double (*exp_sum)(float *x, float shift, int64_t count);
    /* Each column of x[K, tile->cols]: x := exp(scale x - most), most the largest scale x, sum
     * that of the results; scale > 0, K >= 1. NULL without a tile. */
    void (*softmax)(float *x, int64_t K, float scale, float *most, double *sum);
    /* x := 1 / (1 + exp(-x)) */
    void (*sigmoid)(float *x, int64_t count);

    double (*square_sum)(const float *x, int64_t count);
    void (*adamw)(float *p, float *m, float *v, const float *g, int64_t count, const AdamW *o);
} Kernels;

/* The chosen set. Before kernels_choose: the plain one. */
extern const Kernels *kernels;

/* Chooses: `name` (as in MPA_KERNELS), or with NULL or "" the best that this CPU has. BAD_USAGE:
 * an unknown name, or a set that this CPU or build has not. */
Status kernels_choose(const char *name, Error *e);
/* The sets of this build that this CPU can run, best first, NULL at the end; the last one is plain. */
const Kernels *const *kernels_available(void);

extern const Kernels kernels_plain;
/* What a set shares with the plain one. */
void plain_pack(float *out, int width, const Weight *w, int64_t rows, int64_t K);

#endif
