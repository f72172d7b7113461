/* gemm_block by OpenBLAS. One thread per call: the callers share work out themselves. */
#include "tensor/gemm.h"

#include <cblas.h>

void gemm_block(bool transpose_a, bool transpose_b, int64_t M, int64_t N, int64_t K, float alpha,
                const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc)
{
    cblas_sgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans,
                transpose_b ? CblasTrans : CblasNoTrans, (blasint)M, (blasint)N, (blasint)K, alpha, a,
                (blasint)lda, b, (blasint)ldb, beta, c, (blasint)ldc);
}

void gemm_block_start(void)
{
    openblas_set_num_threads(1);
}

const char *gemm_block_description(void)
{
    return openblas_get_config();
}
