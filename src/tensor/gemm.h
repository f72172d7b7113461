/* Matrix products. The only files that know about weight types and the only ones that call BLAS.
 *
 * Work is cut into blocks of output columns (or rows, for weight gradients) of a fixed size, each computed by one thread with BLAS at one thread. */
#ifndef MPA_TENSOR_GEMM_H
#define MPA_TENSOR_GEMM_H

#include "tensor/run.h"

/* y[N,O] = x[N,I] w[O,I]^T, w of any float type */
void gemm_forward(Run *run, float *y, const float *x, const void *w, Dtype type, int64_t N, int64_t O, int64_t I);
/* dx[N,I] += dy[N,O] w[O,I] */
void gemm_input_grad(Run *run, float *dx, const float *dy, const void *w, Dtype type, int64_t N, int64_t O, int64_t I);
/* dw[O,I] += dy[N,O]^T x[N,I] */
void gemm_weight_grad(float *dw, const float *dy, const float *x, int64_t N, int64_t O, int64_t I);

/* c[M,N] = alpha * op(a)[M,K] op(b)[K,N] + beta * c, row-major with row strides lda, ldb, ldc; op transposes where asked. On the calling thread. */
void gemm_block(bool transpose_a, bool transpose_b, int64_t M, int64_t N, int64_t K, float alpha, const float *a, int64_t lda, const float *b,
                int64_t ldb, float beta, float *c, int64_t ldc);

/* Makes BLAS use one thread per call. Call once before work starts. */
void gemm_start(void);
/* Which arithmetic multiplies: "OpenBLAS 0.3.21 Haswell pthreads", "plain C". */
const char *gemm_description(void);

#endif
