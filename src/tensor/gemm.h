/* Matrix products. Only these files and the kernels look at the type of a weight, and only these
 * files call BLAS. A failure (no memory for packing) stays in run->error. */
#ifndef MPA_TENSOR_GEMM_H
#define MPA_TENSOR_GEMM_H

#include "tensor/run.h"

/* y[N,O] = x[N,I] w[O,I]^T; w: F32, F16 or BF16 */
void gemm_forward(Run *run, float *y, const float *x, const Weight *w, int64_t N, int64_t O, int64_t I);
/* y[N,O] += x[N,I] w[O,I]^T */
void gemm_forward_add(Run *run, float *y, const float *x, const Weight *w, int64_t N, int64_t O, int64_t I);
/* dx[N,I] += dy[N,O] w[O,I] */
void gemm_input_grad(Run *run, float *dx, const float *dy, const Weight *w, int64_t N, int64_t O, int64_t I);
/* dw[O,I] += dy[N,O]^T x[N,I] */
void gemm_weight_grad(Run *run, float *dw, const float *dy, const float *x, int64_t N, int64_t O, int64_t I);

/* c[M,N] = alpha * op(a)[M,K] op(b)[K,N] + beta * c on the calling thread. Row-major, with row
 * strides lda, ldb, ldc; op transposes where asked. */
void gemm_block(bool transpose_a, bool transpose_b, int64_t M, int64_t N, int64_t K, float alpha,
                const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc);

/* Bytes of the copy that a product makes of its left factor [rows, K], at most. */
int64_t gemm_packed(int64_t rows, int64_t K);
/* Bytes that all threads take of their own in a product that sums up K values, at most. */
int64_t gemm_scratch(int64_t K);

/* Chooses the kernels (kernels.h) and makes BLAS use one thread per call; to be called before any
 * other function here. BAD_USAGE: MPA_KERNELS names a set that is not here. */
Status gemm_start(Error *e);
/* Which arithmetic multiplies, as in "kernels avx2; OpenBLAS 0.3.21 Haswell pthreads" or
 * "kernels plain; plain C". Writes into text and returns it. */
enum { GEMM_DESCRIPTION = 200 };
const char *gemm_description(char text[GEMM_DESCRIPTION]);

/* What gemm_blas.c and gemm_plain.c have besides gemm_block. */
/* used: gemm_block will be called. NO_MEMORY: there is too little address space for it. */
Status gemm_block_start(bool used, Error *e);
const char *gemm_block_description(void);

#endif
