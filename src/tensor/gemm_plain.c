/* gemm_block in plain C, products and sums in double and in a fixed order of k. For ports, and
 * to see whether a difference comes from us or from the BLAS. */
#include "tensor/gemm.h"

#include "base/number.h"

enum { LANES = 8, COLUMNS = 32 };

/* sum_k a[k] b[k] in LANES partial sums */
static double dot(const float *a, const float *b, int64_t K)
{
    double sum[LANES] = {0};
    int64_t k = 0;
    for (; k + LANES <= K; k += LANES)
        for (int i = 0; i < LANES; i++)
            sum[i] += (double)a[k + i] * (double)b[k + i];
    for (int i = 0; k + i < K; i++)
        sum[i] += (double)a[k + i] * (double)b[k + i];
    return ((sum[0] + sum[4]) + (sum[1] + sum[5])) + ((sum[2] + sum[6]) + (sum[3] + sum[7]));
}

static void store(float *c, double sum, float alpha, float beta)
{
    double old = beta != 0 ? (double)beta * (double)*c : 0;
    *c = (float)((double)alpha * sum + old);
}

void gemm_block(bool transpose_a, bool transpose_b, int64_t M, int64_t N, int64_t K, float alpha,
                const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc)
{
    const int64_t step_m = transpose_a ? 1 : lda;
    const int64_t step_k = transpose_a ? lda : 1;
    const int64_t step_n = transpose_b ? ldb : 1;
    for (int64_t m = 0; m < M; m++) {
        const float *row = a + m * step_m;
        if (transpose_b && !transpose_a) {
            for (int64_t n = 0; n < N; n++)
                store(c + m * ldc + n, dot(row, b + n * ldb, K), alpha, beta);
            continue;
        }
        for (int64_t n0 = 0; n0 < N; n0 += COLUMNS) {
            const int64_t columns = min_i64(COLUMNS, N - n0);
            double sum[COLUMNS] = {0};
            for (int64_t k = 0; k < K; k++) {
                const double x = (double)row[k * step_k];
                const float *y = transpose_b ? b + n0 * ldb + k : b + k * ldb + n0;
                for (int64_t j = 0; j < columns; j++)
                    sum[j] += x * (double)y[j * step_n];
            }
            for (int64_t j = 0; j < columns; j++)
                store(c + m * ldc + n0 + j, sum[j], alpha, beta);
        }
    }
}

Status gemm_block_start(bool used, Error *e)
{
    (void)used;
    return e->status;
}

const char *gemm_block_description(void)
{
    return "plain C";
}
