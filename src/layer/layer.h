/* The layers: one file each, forward and backward together. This is their common header.
 *
 * A layer has two levels. `x_fwd` and `x_bwd` are its kernels: pure functions on float arrays
 * that cannot fail. A porter replaces them, and unit tests may call them. The function on Mats
 * checks shapes, allocates, calls the kernels and records its backward; a failure stays in the
 * run. Some kernels need scratch memory and therefore take the Run: the products are in tensor/gemm.h,
 * attention's in attention_kernels.h, those of low-rank factors in lora.h.
 *
 * Axis letters: N rows, I and O widths in and out, D model width, F hidden width, H heads, K
 * key/value heads, E head width, V vocabulary, S sequences. Outputs come first. A gradient dx is
 * added to what it holds (+=). dw and db may be NULL: nobody wants them. */
#ifndef MPA_LAYER_LAYER_H
#define MPA_LAYER_LAYER_H

#include "tensor/run.h"
#include "tensor/seqs.h"

#include <assert.h>

/* linear.c: y[N,O] = x[N,I] w[O,I]^T + b[O]. The products are gemm_forward, gemm_input_grad and
 * gemm_weight_grad. */
typedef struct {
    Param *weight; /* [O,I], or any shape with that product and O first */
    Param *bias;   /* [O], or NULL */
} Linear;
Mat *linear(Run *run, const Linear *l, Mat *x);
void linear_bias_fwd(float *y, const float *b, int64_t N, int64_t O); /* y[N,O] += b[O] in every row */
void linear_bias_bwd(float *db, const float *dy, int64_t N, int64_t O);

/* embedding.c: y[N,D] = table[ids[n],:] */
Mat *embedding(Run *run, Param *table, const int32_t *ids, int64_t rows);
void embedding_fwd(float *y, const Weight *table, const int32_t *ids, int64_t N, int64_t D);
void embedding_bwd(float *dtable, const float *dy, const int32_t *ids, int64_t N, int64_t D);

/* rmsnorm.c: y[N,D] = x rstd w[D], rstd[N] = 1 / sqrt(mean(x^2) + eps) */
typedef struct {
    Param *weight;
    float eps;
} RmsNorm;
Mat *rmsnorm(Run *run, const RmsNorm *l, Mat *x);
void rmsnorm_fwd(float *y, float *rstd, const float *x, const float *w, float eps, int64_t N, int64_t D);
void rmsnorm_bwd(float *dx, float *dw, const float *dy, const float *x, const float *rstd, const float *w,
                 int64_t N, int64_t D);

/* layernorm.c: y[N,D] = (x - mean) rstd w[D] + b[D], mean[N], rstd[N] = 1 / sqrt(variance + eps) */
typedef struct {
    Param *weight, *bias;
    float eps;
} LayerNorm;
Mat *layernorm(Run *run, const LayerNorm *l, Mat *x);
void layernorm_fwd(float *y, float *mean, float *rstd, const float *x, const float *w, const float *b,
                   float eps, int64_t N, int64_t D);
void layernorm_bwd(float *dx, float *dw, float *db, const float *dy, const float *x, const float *mean,
                   const float *rstd, const float *w, int64_t N, int64_t D);

/* rope.c: turns channels j and j + T/2 of every head of x[N,H*E] by angle[n, j], in place. T <=
 * E: the channels beyond T stay. cos and sin are [N,T/2] and live as long as the pass. */
typedef struct {
    const float *cos, *sin;
    int64_t head, turned; /* E, T */
} Rope;
Mat *rope(Run *run, const Rope *r, Mat *x);
void rope_fwd(float *x, int64_t stride, const float *cos, const float *sin, int64_t N, int64_t H, int64_t E,
              int64_t T);
void rope_bwd(float *dx, int64_t stride, const float *cos, const float *sin, int64_t N, int64_t H, int64_t E,
              int64_t T);

/* How a model turns the channels of a head, as data: angle j is frequency j times a position, and
 * frequency j = 1 / (factor[j] theta^(j / (T/2))). */
typedef struct {
    int64_t head;   /* E */
    int64_t turned; /* T, even; E but for partial rotary */
    double theta;
    /* [sections]: so many frequencies take their position from row 0 of the positions, so many
     * from row 1, ...; their sum is T/2. NULL and 0: all from row 0. */
    const int64_t *section;
    int64_t sections;
    bool restart;         /* the powers of theta start again in each section, i / section, as in vision */
    const double *factor; /* [T/2], long rope's; NULL: 1 */
    double scale;         /* of cos and sin: 1, or long rope's attention factor */
} RotaryRule;
/* The table for N rows; position [sections,N]. Arena memory; NULL after a failure. */
Rope *rope_table(Run *run, const RotaryRule *rule, const int32_t *position, int64_t N);
/* The same for rows packed by seqs, sequence s by rule[s]: for models whose rule depends on a
 * sequence's length. All rules turn the same channels. */
Rope *rope_table_by_sequence(Run *run, const RotaryRule *rule, const int32_t *position, const Seqs *seqs);

/* attention.c: o[N,H*E] = softmax(scale q k^T) v per sequence and head; query head h uses
 * key/value head h K / H, rounded down. */
typedef struct {
    int64_t heads, kv_heads, width; /* H, K, E */
    float scale;
    bool causal;
} Attention;
/* q[N,H*E], k and v [N,K*E], rows packed by seqs. With a cache the rows are appended to its
 * layer `layer`, and every row sees the past of its slot too; only without a tape. */
Mat *attention(Run *run, const Attention *a, Mat *q, Mat *k, Mat *v, const Seqs *seqs, KvCache *cache,
               int64_t layer);

/* activation.c. All but add return a matrix that is computed on demand (mat_lazy): until then x,
 * gate and up must keep their values. */
Mat *gelu(Run *run, Mat *x);               /* x/2 (1 + erf(x / sqrt 2)) */
Mat *gelu_tanh(Run *run, Mat *x);          /* its approximation with tanh */
Mat *quick_gelu(Run *run, Mat *x);         /* x sigmoid(1.702 x) */
Mat *swiglu(Run *run, Mat *gate, Mat *up); /* silu(gate) up, silu(x) = x sigmoid(x) */
Mat *add(Run *run, Mat *a, Mat *b);        /* a + b, in place of b, which nobody else may use */
void gelu_fwd(float *y, const float *x, int64_t count);
void gelu_bwd(float *dx, const float *dy, const float *x, int64_t count);
void gelu_tanh_fwd(float *y, const float *x, int64_t count);
void gelu_tanh_bwd(float *dx, const float *dy, const float *x, int64_t count);
void quick_gelu_fwd(float *y, const float *x, int64_t count);
void quick_gelu_bwd(float *dx, const float *dy, const float *x, int64_t count);
void swiglu_fwd(float *y, const float *gate, const float *up, int64_t count);
void swiglu_bwd(float *dgate, float *dup, const float *dy, const float *gate, const float *up, int64_t count);
void add_fwd(float *y, const float *x, int64_t count); /* y += x */
void add_bwd(float *dx, const float *dy, int64_t count);

/* scale.c: y[N,D] = x * scale[D] */
Mat *scale_columns(Run *run, Param *scale, Mat *x);
void scale_fwd(float *y, const float *x, const float *s, int64_t N, int64_t D);
void scale_bwd(float *dx, float *ds, const float *dy, const float *x, const float *s, int64_t N, int64_t D);

/* split.c: columns first .. first + width - 1 of each of `groups` groups of x's columns:
 * x[N, groups * S] -> y[N, groups * width] */
Mat *split_columns(Run *run, Mat *x, int64_t groups, int64_t first, int64_t width);
void split_fwd(float *y, const float *x, int64_t N, int64_t groups, int64_t S, int64_t first, int64_t W);
void split_bwd(float *dx, const float *dy, int64_t N, int64_t groups, int64_t S, int64_t first, int64_t W);

/* merge.c: [N,D] as [N/group, group*D]: rows that follow one another become one. There is no
 * kernel, because no value moves; its backward is add_bwd. */
Mat *merge_rows(Run *run, Mat *x, int64_t group);

/* scatter.c: y[N,D] = x, but row at[m] is rows[M,D]'s row m; `at` ascends. */
Mat *scatter_rows(Run *run, Mat *x, Mat *rows, const int64_t *at);
void scatter_fwd(float *y, const float *x, const float *rows, const int64_t *at, int64_t N, int64_t M,
                 int64_t D);
void scatter_bwd(float *dx, float *drows, const float *dy, const int64_t *at, int64_t N, int64_t M,
                 int64_t D);
/* join: y[sum of M,D] = the rows of all parts[M,D], one after another. The list lives as long as the
 * pass. NULL where a part is NULL. */
Mat *join_rows(Run *run, Mat *const *parts, int64_t count);
/* gather: y[M,D] = x[at[m],:] */
Mat *gather_rows(Run *run, Mat *x, const int64_t *at, int64_t M);
void gather_fwd(float *y, const float *x, const int64_t *at, int64_t M, int64_t D);
void gather_bwd(float *dx, const float *dy, const int64_t *at, int64_t M, int64_t D);

/* attention.c: bytes that all threads take of their own, at most, for so many heads of sequences of so many rows. */
int64_t attention_scratch(int64_t heads, int64_t width, int64_t rows, bool backward);

/* cross_entropy.c: *loss = scale * the sum over the rows of h[N,D] of -log softmax(h
 * w^T)[label], in double. With a tape the gradients of h and w are added at once, because the
 * loss is where the backward starts. The logits never exist as a whole. each[N], or NULL: receives
 * the rows' own -log softmax(h w^T)[label]. False after a failure. */
bool head_cross_entropy(Run *run, const Linear *head, Mat *h, const int32_t *labels, double scale,
                        double *each, double *loss);
/* The memory that it needs at most: logits, and gemm's packed copy of them. */
int64_t head_cross_entropy_bytes(int64_t V);
/* loss[N] = -log softmax(logits)[label], and logits[N,V] become scale times their gradients. */
void cross_entropy_fwd_bwd(double *loss, float *logits, const int32_t *labels, double scale, int64_t N,
                           int64_t V);

#endif
