/* Inner loops in plain C99, as kernels.h describes them. All of the set "plain"; other sets call
 * them for what does not fill a register, and for weights in f16. */
#ifndef MPA_KERNEL_SCALAR_H
#define MPA_KERNEL_SCALAR_H

#include "kernel/weight.h"

/* A panel of `width` columns from the first `rows` rows of w, K values of each; missing rows
 * become 0. */
void scalar_pack(float *out, int width, const Weight *w, int64_t rows, int64_t K);

int64_t scalar_stream_width(Dtype type, int64_t I);
void scalar_prepare(float *out, const float *x, Dtype type, int64_t I);
void scalar_stream(float *y, int64_t ldy, const float *x, const Weight *w, int64_t N, int64_t rows,
                   int64_t I);
void scalar_scores(float *y, int64_t ldy, const float *q, const float *key, int64_t stride, int64_t N,
                   int64_t rows, int64_t I);
void scalar_mix(float *y, int64_t ldy, const float *p, int64_t ldp, const float *v, int64_t stride, int64_t N,
                int64_t K, int64_t I);

float scalar_max(const float *x, int64_t count);
double scalar_exp_sum(float *x, float shift, int64_t count);
void scalar_sigmoid(float *x, int64_t count);

#endif
