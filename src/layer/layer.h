/* The layers. One file each, forward and backward together; this is their common header.
 *
 * Two levels: `x_fwd`/`x_bwd` are the pure kernels on float arrays (what a porter replaces and
 * unit tests call; they cannot fail); the function on Mats checks shapes, allocates, records its
 * backward. Axis letters: N rows, I and O widths in and out, D model width, F hidden width, H
 * heads, K key/value heads, E head width, V vocabulary, S sequences. Gradients are added to what
 * is there (`+=`) unless said otherwise. */
#ifndef MPA_LAYER_LAYER_H
#define MPA_LAYER_LAYER_H

#include "tensor/run.h"
#include "tensor/seqs.h"

#include <assert.h>

/* linear.c: y[N,O] = x[N,I] w[O,I]^T + b[O] */
typedef struct {
    Param *weight; /* [O,I] (or any shape with that product, O first) */
    Param *bias;   /* [O], or NULL */
} Linear;
Mat *linear(Run *run, const Linear *l, Mat *x);

/* embedding.c: y[N,D] = table[id[n], :] */
Mat *embedding(Run *run, Param *table, const int32_t *ids, int64_t rows);

/* rmsnorm.c: y[N,D] = x * rstd * w[D], rstd[N] = 1 / sqrt(mean(x^2) + eps) */
typedef struct {
    Param *weight;
    float eps;
} RmsNorm;
Mat *rmsnorm(Run *run, const RmsNorm *l, Mat *x);
void rmsnorm_fwd(float *y, float *rstd, const float *x, const float *w, float eps, int64_t N, int64_t D);
void rmsnorm_bwd(float *dx, float *dw, const float *dy, const float *x, const float *rstd, const float *w,
                 int64_t N, int64_t D);

/* layernorm.c: y[N,D] = (x - mean) * rstd * w[D] + b[D] */
typedef struct {
    Param *weight, *bias;
    float eps;
} LayerNorm;
Mat *layernorm(Run *run, const LayerNorm *l, Mat *x);
void layernorm_fwd(float *y, float *mean, float *rstd, const float *x, const float *w, const float *b,
                   float eps, int64_t N, int64_t D);
void layernorm_bwd(float *dx, float *dw, float *db, const float *dy, const float *x, const float *mean,
                   const float *rstd, const float *w, int64_t N, int64_t D);

/* rope.c: turns channels j and j + T/2 of every head of x[N,H*E] by angle[n, j], in place; T <=
 * E: the channels beyond T stay. cos, sin [N,T/2] live as long as the pass. */
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
    /* [sections]: so many frequencies take their position from row 0 of the positions, so many from
     * row 1, ...; their sum is T/2. NULL and 0: all from row 0. */
    const int64_t *section;
    int64_t sections;
    bool restart;         /* the powers of theta start again in each section, i / section, as in vision */
    const double *factor; /* [T/2], long rope's; NULL: 1 */
    double scale;         /* of cos and sin: 1, or long rope's attention factor */
} RotaryRule;
/* The table for N rows; position [sections, N]. Arena memory; NULL after a failure. */
Rope *rope_table(Run *run, const RotaryRule *rule, const int32_t *position, int64_t N);

/* attention.c: o[N,H*E] = softmax(scale * q k^T) v per sequence and head; query head h uses
 * key/value head h * K / H. */
typedef struct {
    int64_t heads, kv_heads, width; /* H, K, E */
    float scale;
    bool causal;
} Attention;
/* q [N,H*E], k and v [N,K*E], rows packed by seqs. With a cache the rows are appended to layer
 * `layer` and every row sees its slot's past as well. */
Mat *attention(Run *run, const Attention *a, Mat *q, Mat *k, Mat *v, const Seqs *seqs, KvCache *cache,
               int64_t layer);

/* activation.c: all but add return a matrix that keeps no values (mat_lazy); x, gate and up
 * must stay as they are */
Mat *gelu(Run *run, Mat *x);               /* x/2 (1 + erf(x / sqrt 2)) */
Mat *gelu_tanh(Run *run, Mat *x);          /* the tanh approximation */
Mat *quick_gelu(Run *run, Mat *x);         /* x sigmoid(1.702 x) */
Mat *swiglu(Run *run, Mat *gate, Mat *up); /* silu(gate) * up */
Mat *add(Run *run, Mat *a, Mat *b);        /* a + b, in b's place: b must be of no other use any more */

/* merge.c: views of rows: [N, D] as [N / group, group * D]; groups of rows stand next to each
 * other already. */
Mat *merge_rows(Run *run, Mat *x, int64_t group);

/* scatter.c: y = x, but row at[m] is row m of `rows`. */
Mat *scatter_rows(Run *run, Mat *x, Mat *rows, const int64_t *at);
/* gather: y[M, D] = x[at[m], :] */
Mat *gather_rows(Run *run, Mat *x, const int64_t *at, int64_t M);

/* cross_entropy.c: the mean of -log softmax(h w^T)[label] over the rows of h[N,D], in chunks of
 * rows: the logits are never held as a whole. With a tape the gradients of h and w, times
 * `scale`, are formed at once, because the loss is where the way back starts. *loss: the sum
 * over rows times `scale`, in double. False after a failure. */
bool head_cross_entropy(Run *run, const Linear *head, Mat *h, const int32_t *labels, double scale,
                        double *loss);

#endif
