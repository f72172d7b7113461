/* Attention backward, head by head: on register tiles (attention_tiles_bwd.c), or in sets without them by
 * gemm_block, a block of query rows at a time. The forward was
 *
 *     S = scale q k^T        so  dq += scale dS k,  dk += scale dS^T q
 *     P = softmax(S)         so  dS = P * (dP - D),  D = sum over the row of P * dP = sum_e do * o
 *     o = P v                so  dP = do v^T,  dv += P^T do
 *
 * P is recomputed from each row's maximum and sum, which the forward kept. */
#include "layer/attention_kernels.h"

#include "base/parallel.h"
#include "tensor/gemm.h"

#include <string.h>

/* P and dS of rows first .. first + rows - 1 of the batch: prob[rows, width] holds the scores S,
 * slope[rows, width] holds dP = do v^T. */
static void prob_and_slope(const AttentionArrays *x, int64_t s, int64_t h, int64_t first, int64_t rows,
                           int64_t width, const float *d_o, float *prob, float *slope)
{
    for (int64_t i = 0; i < rows; i++) {
        const int64_t n = first + i;
        const int64_t seen = attention_visible(x->a, x->keys + s, n - x->seqs->start[s]);
        const SoftmaxRow r = x->row[h * attention_rows(x) + n];
        float *p = prob + i * width;
        float *ds = slope + i * width;
        const float D = attention_mean_slope(x, d_o, n, h);
        kernels->exp_sum(p, r.max, seen);
        for (int64_t j = 0; j < seen; j++) {
            p[j] *= r.inv_sum;
            ds[j] = p[j] * (ds[j] - D);
        }
        for (int64_t j = seen; j < width; j++) {
            p[j] = 0;
            ds[j] = 0;
        }
    }
}

/* Rows first .. first + rows - 1 of the batch, of sequence s, with query head h. */
static void block_backward(const AttentionArrays *x, const AttentionGrads *g, int64_t s, int64_t h,
                           int64_t first, int64_t rows, float *prob, float *slope)
{
    const Attention *a = x->a;
    const Keys *keys = x->keys + s;
    const int64_t E = a->width;
    const int64_t Q = a->heads * E;
    const int64_t start = x->seqs->start[s];
    const int64_t width = attention_visible(a, keys, first - start + rows - 1);
    const int64_t kv = h * a->kv_heads / a->heads * keys->head;
    const float *key = keys->key + kv;
    const float *value = keys->value + kv;
    const float *q = x->q + first * x->q_stride + h * E;
    const float *dy = g->d_o + first * x->o_stride + h * E;
    gemm_block(false, true, rows, width, E, a->scale, q, x->q_stride, key, keys->key_stride, 0, prob, width);
    gemm_block(false, true, rows, width, E, 1, dy, x->o_stride, value, keys->value_stride, 0, slope, width);
    prob_and_slope(x, s, h, first, rows, width, g->d_o, prob, slope);
    gemm_block(false, false, rows, E, width, a->scale, slope, width, key, keys->key_stride, 1,
               g->dq + first * x->q_stride + h * E, x->q_stride);
    gemm_block(true, false, width, E, rows, a->scale, slope, width, q, x->q_stride, 1,
               g->dk + start * Q + h * E, Q);
    gemm_block(true, false, width, E, rows, 1, prob, width, dy, x->o_stride, 1, g->dv + start * Q + h * E, Q);
}

/* grad[N, stride] += the sum over the query heads of each key/value head, in their order, of
 * each[N,H*E]. */
static void sum_heads(const Attention *a, float *grad, int64_t stride, const float *each, int64_t N)
{
    const int64_t E = a->width;
    const int64_t group = a->heads / a->kv_heads;
#pragma omp parallel for if (parallel_worth(N * a->heads * E))
    for (int64_t n = 0; n < N; n++)
        for (int64_t h = 0; h < a->heads; h++)
            for (int64_t e = 0; e < E; e++)
                grad[n * stride + h / group * E + e] += each[(n * a->heads + h) * E + e];
}

/* Query head h of sequence s. */
static void head_backward(const AttentionArrays *x, const AttentionGrads *g, int64_t s, int64_t h,
                          float *scratch)
{
    const int64_t E = x->a->width;
    const int64_t end = x->seqs->start[s + 1];
    float *slope = scratch + ATTENTION_BLOCK * x->keys[s].count;
    for (int64_t n = x->seqs->start[s]; n < end; n++) {
        memset(g->dk + (n * x->a->heads + h) * E, 0, (size_t)E * sizeof *g->dk);
        memset(g->dv + (n * x->a->heads + h) * E, 0, (size_t)E * sizeof *g->dv);
    }
    for (int64_t n = x->seqs->start[s]; n < end; n += ATTENTION_BLOCK)
        block_backward(x, g, s, h, n, min_i64(end - n, ATTENTION_BLOCK), scratch, slope);
}

/* One thread takes one query head of one sequence, so that every sum has one owner and a fixed
 * order. */
void attention_bwd(Run *run, const AttentionArrays *x, float *dq, float *dk, float *dv, const float *d_o)
{
    const Attention *a = x->a;
    const int64_t N = attention_rows(x);
    const int64_t longest = attention_longest(x);
    const int64_t count = N * a->heads * a->width;
    const int64_t heads = x->seqs->count * a->heads;
    const int64_t size = attention_bwd_scratch(longest, a->width);
    float *scratch = run_alloc(run, size * min_i64(parallel_threads(), heads), sizeof *scratch);
    float *own = run_alloc(run, 2 * count, sizeof *own);
    if (!scratch || !own)
        return;
    const AttentionGrads g = {dq, own, own + count, d_o};
    /* static: a thread beyond the number of heads gets none, and needs no scratch */
#pragma omp parallel for schedule(static, 1) if (parallel_worth(2 * N * a->heads * longest))
    for (int64_t i = 0; i < heads; i++)
        (kernels->tile ? attention_bwd_tiles : head_backward)(x, &g, i / a->heads, i % a->heads,
                                                              scratch + size * parallel_index());
    sum_heads(a, dk, x->keys[0].key_stride, g.dk, N);
    sum_heads(a, dv, x->keys[0].value_stride, g.dv, N);
}
