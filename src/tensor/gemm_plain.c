/* gemm_block in plain C, products and sums in double and in a fixed order of k. For ports, and
 * to see whether a difference comes from us or from the BLAS. */
#include "tensor/gemm.h"

#include "base/number.h"

/* A result is made in blocks of BLOCK rows and columns, in steps of DEPTH along k; a tile of it has ROWS rows and COLUMNS columns, so
 * that its sums stay in the registers of a machine with 16 of two doubles. */
enum { BLOCK = 32, DEPTH = 128, ROWS = 2, COLUMNS = 8 };

/* Widens `count` rows (of A) or columns (of B), `step` apart, to double: `width` at a time, for each k the values of these side by side. */
static void pack(double *to, const float *from, int64_t step, int64_t step_k, int64_t count, int64_t depth,
                 int width)
{
    for (int64_t i0 = 0; i0 < count; i0 += width)
        for (int64_t k = 0; k < depth; k++)
            for (int64_t i = i0; i < i0 + width; i++, to++)
                *to = i < count ? (double)from[i * step + k * step_k] : 0;
}

/* Adds to a tile of sums, which starts at column `at`, in the order of k. */
static void add_tile(double (*sum)[BLOCK], int64_t at, const double *a, const double *b, int64_t depth)
{
    double own[ROWS][COLUMNS];
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < COLUMNS; j++)
            own[i][j] = sum[i][at + j];
    for (int64_t k = 0; k < depth; k++, a += ROWS, b += COLUMNS)
        for (int i = 0; i < ROWS; i++)
            for (int j = 0; j < COLUMNS; j++)
                own[i][j] += a[i] * b[j];
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < COLUMNS; j++)
            sum[i][at + j] = own[i][j];
}

static void store(float *c, double sum, float alpha, float beta)
{
    double old = beta != 0 ? (double)beta * (double)*c : 0;
    *c = (float)((double)alpha * sum + old);
}

void gemm_block(bool transpose_a, bool transpose_b, int64_t M, int64_t N, int64_t K, float alpha,
                const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc)
{
    const int64_t a_m = transpose_a ? 1 : lda;
    const int64_t a_k = transpose_a ? lda : 1;
    const int64_t b_n = transpose_b ? ldb : 1;
    const int64_t b_k = transpose_b ? 1 : ldb;
    double rows[BLOCK * DEPTH];
    double columns[BLOCK * DEPTH];
    for (int64_t m0 = 0; m0 < M; m0 += BLOCK)
        for (int64_t n0 = 0; n0 < N; n0 += BLOCK) {
            const int64_t m = min_i64(BLOCK, M - m0);
            const int64_t n = min_i64(BLOCK, N - n0);
            double sum[BLOCK][BLOCK] = {{0}};
            for (int64_t k = 0; k < K; k += DEPTH) {
                const int64_t depth = min_i64(DEPTH, K - k);
                pack(rows, a + m0 * a_m + k * a_k, a_m, a_k, m, depth, ROWS);
                pack(columns, b + n0 * b_n + k * b_k, b_n, b_k, n, depth, COLUMNS);
                for (int64_t i = 0; i < m; i += ROWS)
                    for (int64_t j = 0; j < n; j += COLUMNS)
                        add_tile(sum + i, j, rows + i * depth, columns + j * depth, depth);
            }
            for (int64_t i = 0; i < m; i++)
                for (int64_t j = 0; j < n; j++)
                    store(c + (m0 + i) * ldc + n0 + j, sum[i][j], alpha, beta);
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
