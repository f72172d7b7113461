/* Attention forward by gemm_block, a block of query rows of one head at a time: for sets of
 * kernels that have no tiles. */
#include "layer/attention_kernels.h"

#include "base/parallel.h"
#include "tensor/gemm.h"

/* Rows first .. first + rows - 1 of the batch, all of sequence s. */
typedef struct {
    int64_t s, first, rows;
} QueryBlock;

/* The batch cut into blocks; NULL after a failure. */
static QueryBlock *blocks_new(Run *run, const Seqs *seqs, int64_t *count)
{
    *count = 0;
    for (int64_t s = 0; s < seqs->count; s++)
        *count += ceil_div(seqs->start[s + 1] - seqs->start[s], ATTENTION_BLOCK);
    QueryBlock *b = run_alloc(run, *count, sizeof *b);
    int64_t n = 0;
    for (int64_t s = 0; b && s < seqs->count; s++)
        for (int64_t i = seqs->start[s]; i < seqs->start[s + 1]; i += ATTENTION_BLOCK) {
            b[n] = (QueryBlock){s, i, min_i64(seqs->start[s + 1] - i, ATTENTION_BLOCK)};
            n++;
        }
    return b;
}

/* scores[rows, width] := P; what a row does not see becomes 0. first: of the block, in its
 * sequence. */
static void softmax_rows(const AttentionArrays *x, const Keys *keys, float *scores, int64_t rows,
                         int64_t width, int64_t first, SoftmaxRow *out)
{
    for (int64_t i = 0; i < rows; i++) {
        const int64_t seen = attention_visible(x->a, keys, first + i);
        const SoftmaxRow r = attention_softmax(scores + i * width, seen);
        for (int64_t j = seen; j < width; j++)
            scores[i * width + j] = 0;
        if (out)
            out[i] = r;
    }
}

static void block_forward(const AttentionArrays *x, const QueryBlock *b, int64_t h, float *scores)
{
    const Attention *a = x->a;
    const Keys *keys = x->keys + b->s;
    const int64_t E = a->width;
    const int64_t g = h * a->kv_heads / a->heads;
    const int64_t first = b->first - x->seqs->start[b->s];
    const int64_t width = attention_visible(a, keys, first + b->rows - 1);
    gemm_block(false, true, b->rows, width, E, a->scale, x->q + b->first * x->q_stride + h * E, x->q_stride,
               keys->key + g * keys->head, keys->key_stride, 0, scores, width);
    softmax_rows(x, keys, scores, b->rows, width, first,
                 x->row ? x->row + h * attention_rows(x) + b->first : NULL);
    gemm_block(false, false, b->rows, E, width, 1, scores, width, keys->value + g * keys->head,
               keys->value_stride, 0, x->o + b->first * x->o_stride + h * E, x->o_stride);
}

void attention_blocks(Run *run, const AttentionArrays *x)
{
    const int64_t H = x->a->heads;
    const int64_t longest = attention_longest(x);
    int64_t count;
    const QueryBlock *blocks = blocks_new(run, x->seqs, &count);
    float *scores = run_alloc(run, ATTENTION_BLOCK * longest * parallel_threads(), sizeof *scores);
    if (!blocks || !scores)
        return;
#pragma omp parallel for schedule(dynamic) if (parallel_worth(2 * attention_rows(x) * H * longest))
    for (int64_t i = 0; i < count * H; i++)
        block_forward(x, blocks + i / H, i % H, scores + ATTENTION_BLOCK * longest * parallel_index());
}
