/* gemm_block in plain C: products and sums in double, in the order of k. For ports, and for
 * asking whether a difference is ours or the BLAS's. */
#include "tensor/gemm.h"

enum { LANES = 8, COLUMNS = 32 };

/* sum_k a[k] b[k] in LANES partial sums */
static double dot(const float *a, const float *b, int64_t K)
{
    double sum[LANES] = {0};
    int64_t k = 0;
    for (; k + LANES <= K; k += LANES)
        for (int i = 0; i < LANES; i++)
            sum[i] += (double)a[k + i] * (double)b[k + i];
    for (int i = 0; k < K; k++, i++)
        sum[i] += (double)a[k] * (double)b[k];
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
    int64_t step_m = transpose_a ? 1 : lda, step_k = transpose_a ? lda : 1;
    for (int64_t m = 0; m < M; m++) {
        const float *row = a + m * step_m;
        if (transpose_b && !transpose_a) {
            for (int64_t n = 0; n < N; n++)
                store(c + m * ldc + n, dot(row, b + n * ldb, K), alpha, beta);
            continue;
        }
        for (int64_t n0 = 0; n0 < N; n0 += COLUMNS) {
            int64_t columns = N - n0 < COLUMNS ? N - n0 : COLUMNS;
            double sum[COLUMNS] = {0};
            for (int64_t k = 0; k < K; k++) {
                double x = (double)row[k * step_k];
                const float *y = transpose_b ? b + n0 * ldb + k : b + k * ldb + n0;
                int64_t step = transpose_b ? ldb : 1;
                for (int64_t j = 0; j < columns; j++)
                    sum[j] += x * (double)y[j * step];
            }
            for (int64_t j = 0; j < columns; j++)
                store(c + m * ldc + n0 + j, sum[j], alpha, beta);
        }
    }
}

void gemm_block_start(void)
{
}

const char *gemm_block_description(void)
{
    return "plain C";
}
