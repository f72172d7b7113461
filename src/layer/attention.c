/* Attention: o = P v, P = softmax(scale * q k^T) over the keys that a row may see: those of its own
 * sequence, when causal up to itself. With D[n] = sum_e do * o:  dv += P^T do,  dS = P * (do v^T -
 * D),  dq += scale * dS k,  dk += scale * dS^T q (Qwen2VLAttention, VisionAttention,
 * scaled_dot_product_attention.)
 *
 * Scores exist for a few query rows of one head at a time; training keeps each row's largest
 * score and sum, and forms P again on the way back. Here are the products by gemm_block, ROWS
 * rows at a time; attention_tiles.c has them on register tiles, where the CPU's kernels have
 * those. */
#include "layer/attention.h"

#include "base/parallel.h"
#include "tensor/gemm.h"
#include "kernel/kernels.h"

#include <string.h>

enum { ROWS = 64 };

/* One head's share: rows first .. first + rows - 1 of the batch, belonging to sequence s; they
 * see `past` older keys and the sequence's own. */
typedef struct {
    int64_t s, first, rows;
} Task;

typedef struct {
    const Attention *a;
    Mat *q, *k, *v, *o;
    const Seqs *seqs;
    SoftmaxRow *row; /* [H, N] */
} Saved;

/* Turns scores[count] into probabilities in place. */
static SoftmaxRow softmax_row(float *row, int64_t count)
{
    SoftmaxRow r = {.most = kernels->max(row, count)};
    r.part = (float)(1 / kernels->exp_sum(row, r.most, count));
    for (int64_t j = 0; j < count; j++)
        row[j] *= r.part;
    return r;
}

/* The same for scores[rows, width]; what a row may not see becomes 0. `first`: the first row's
 * place in its sequence. */
static void softmax_rows(const Attention *a, const Keys *keys, float *scores, int64_t rows, int64_t width,
                         int64_t first, SoftmaxRow *out)
{
    for (int64_t i = 0; i < rows; i++) {
        int64_t seen = attention_visible(a, keys, first + i);
        SoftmaxRow r = softmax_row(scores + i * width, seen);
        for (int64_t j = seen; j < width; j++)
            scores[i * width + j] = 0;
        if (out)
            out[i] = r;
    }
}

static void head_forward(const Attention *a, const Keys *keys, const Task *t, int64_t start, const Mat *q,
                         Mat *o, int64_t h, float *scores, SoftmaxRow *row)
{
    int64_t E = a->width, kv = h * a->kv_heads / a->heads * keys->head;
    int64_t width = attention_visible(a, keys, t->first - start + t->rows - 1);
    gemm_block(false, true, t->rows, width, E, a->scale, q->data + t->first * q->stride + h * E, q->stride,
               keys->key + kv, keys->key_stride, 0, scores, width);
    softmax_rows(a, keys, scores, t->rows, width, t->first - start,
                 row ? row + h * q->rows + t->first : NULL);
    gemm_block(false, false, t->rows, E, width, 1, scores, width, keys->value + kv, keys->value_stride, 0,
               o->data + t->first * o->stride + h * E, o->stride);
}

/* The batch cut into tasks; NULL after a failure. */
static Task *tasks_new(Run *run, const Seqs *seqs, int64_t *count)
{
    *count = 0;
    for (int64_t s = 0; s < seqs->count; s++)
        *count += (seqs->start[s + 1] - seqs->start[s] + ROWS - 1) / ROWS;
    Task *t = run_alloc(run, *count, sizeof *t);
    int64_t n = 0;
    for (int64_t s = 0; t && s < seqs->count; s++)
        for (int64_t i = seqs->start[s]; i < seqs->start[s + 1]; i += ROWS) {
            int64_t left = seqs->start[s + 1] - i;
            t[n++] = (Task){s, i, left < ROWS ? left : ROWS};
        }
    return t;
}

/* Appends the batch's rows to the cache's layer. */
static void cache_append(KvCache *c, int64_t layer, const Seqs *seqs, const Mat *k, const Mat *v, int64_t E)
{
    for (int64_t s = 0; s < seqs->count; s++) {
        int64_t slot = c->slot[s], capacity = c->first[slot + 1] - c->first[slot], first = seqs->start[s],
                rows = seqs->start[s + 1] - first;
        int64_t to = (layer * c->first[c->slots] + c->first[slot]) * c->width + c->length[slot] * E;
        assert(c->length[slot] + rows <= capacity);
        for (int64_t from = 0; from < c->width; from += E, to += capacity * E)
            for (int64_t n = 0; n < rows; n++) {
                memcpy(c->key + to + n * E, k->data + (first + n) * k->stride + from,
                       (size_t)E * sizeof(float));
                memcpy(c->value + to + n * E, v->data + (first + n) * v->stride + from,
                       (size_t)E * sizeof(float));
            }
    }
}

/* The keys of sequence s: in the cache, where it holds them, else in the batch. */
static Keys keys_of(const Seqs *seqs, int64_t s, const Mat *k, const Mat *v, const KvCache *c, int64_t layer,
                    int64_t E)
{
    int64_t first = seqs->start[s], rows = seqs->start[s + 1] - first;
    if (!c)
        return (Keys){
            k->data + first * k->stride, v->data + first * v->stride, k->stride, v->stride, E, rows, 0};
    int64_t slot = c->slot[s], at = (layer * c->first[c->slots] + c->first[slot]) * c->width;
    return (Keys){c->key + at,
                  c->value + at,
                  E,
                  E,
                  (c->first[slot + 1] - c->first[slot]) * E,
                  c->length[slot] + rows,
                  c->length[slot]};
}

/* P of task t and its gradient's factor dS, then the sums into dq and into the query head's own
 * dk, dv [N, H*E]. */
static void task_backward(const Saved *s, const Keys *keys, const Task *t, int64_t h, float *const grad[3],
                          const float *d_o, float *p, float *ds)
{
    const Attention *a = s->a;
    int64_t E = a->width, kv = h * a->kv_heads / a->heads * keys->head, N = s->q->rows,
            start = s->seqs->start[t->s];
    int64_t width = attention_visible(a, keys, t->first - start + t->rows - 1), O = s->o->stride;
    const float *q = s->q->data + t->first * s->q->stride + h * E, *o = s->o->data + t->first * O + h * E,
                *dy = d_o + t->first * O + h * E;
    gemm_block(false, true, t->rows, width, E, a->scale, q, s->q->stride, keys->key + kv, keys->key_stride, 0,
               p, width);
    gemm_block(false, true, t->rows, width, E, 1, dy, O, keys->value + kv, keys->value_stride, 0, ds, width);
    for (int64_t i = 0; i < t->rows; i++) {
        int64_t seen = attention_visible(a, keys, t->first - start + i);
        SoftmaxRow r = s->row[h * N + t->first + i];
        float *prob = p + i * width, *slope = ds + i * width;
        double sum = 0;
        for (int64_t e = 0; e < E; e++)
            sum += (double)dy[i * O + e] * (double)o[i * O + e];
        float mean = (float)sum;
        kernels->exp_sum(prob, r.most, seen);
        for (int64_t j = 0; j < seen; j++) {
            prob[j] *= r.part;
            slope[j] = prob[j] * (slope[j] - mean);
        }
        for (int64_t j = seen; j < width; j++)
            prob[j] = slope[j] = 0;
    }
    int64_t Q = a->heads * E;
    float *dq = grad[0] + t->first * s->q->stride + h * E, *dk = grad[1] + start * Q + h * E,
          *dv = grad[2] + start * Q + h * E;
    gemm_block(false, false, t->rows, E, width, a->scale, ds, width, keys->key + kv, keys->key_stride, 1, dq,
               s->q->stride);
    gemm_block(true, false, width, E, t->rows, a->scale, ds, width, q, s->q->stride, 1, dk, Q);
    gemm_block(true, false, width, E, t->rows, 1, p, width, dy, O, 1, dv, Q);
}

/* What the query heads of each key/value head found, in their order. */
static void sum_heads(const Attention *a, const Mat *k, float *grad, const float *each)
{
    int64_t E = a->width, group = a->heads / a->kv_heads;
#pragma omp parallel for if (parallel_worth(k->rows * a->heads * E))
    for (int64_t n = 0; n < k->rows; n++)
        for (int64_t h = 0; h < a->heads; h++)
            for (int64_t e = 0; e < E; e++)
                grad[n * k->stride + h / group * E + e] += each[(n * a->heads + h) * E + e];
}

/* One thread per sequence and query head, so that every sum has one owner and a fixed order. */
static void backward(Run *run, void *saved)
{
    Saved *s = saved;
    const Attention *a = s->a;
    float *d_o = mat_grad(run, s->o), *dq = mat_grad(run, s->q), *dk = mat_grad(run, s->k),
          *dv = mat_grad(run, s->v);
    int64_t longest = 0, count, each = s->q->rows * a->heads * a->width;
    for (int64_t i = 0; i < s->seqs->count; i++)
        if (s->seqs->start[i + 1] - s->seqs->start[i] > longest)
            longest = s->seqs->start[i + 1] - s->seqs->start[i];
    Task *tasks = tasks_new(run, s->seqs, &count);
    float *scratch = run_alloc(run, 2 * ROWS * longest * parallel_threads(), sizeof *scratch),
          *own = run_alloc(run, 2 * each, sizeof *own);
    if (!d_o || !dq || !dk || !dv || !tasks || !scratch || !own)
        return;
    parallel_clear(own, 2 * each);
    float *const grad[3] = {dq, own, own + each};
#pragma omp parallel for schedule(dynamic) if (parallel_worth(2 * s->q->rows * a->heads * longest))
    for (int64_t i = 0; i < s->seqs->count * a->heads; i++) {
        int64_t sequence = i / a->heads;
        Keys keys = keys_of(s->seqs, sequence, s->k, s->v, NULL, 0, a->width);
        float *p = scratch + 2 * ROWS * longest * parallel_index();
        for (int64_t t = 0; t < count; t++)
            if (tasks[t].s == sequence)
                task_backward(s, &keys, tasks + t, i % a->heads, grad, d_o, p, p + ROWS * longest);
    }
    sum_heads(a, s->k, dk, own);
    sum_heads(a, s->v, dv, own + each);
}

/* The rows of all sequences forward, by blocks of gemm_block. */
static void attention_blocks(Run *run, const Attention *a, const Keys *keys, const Mat *q, Mat *o,
                             const Seqs *seqs, SoftmaxRow *row)
{
    int64_t longest = attention_longest(keys, seqs->count), count, H = a->heads;
    Task *tasks = tasks_new(run, seqs, &count);
    float *scores = run_alloc(run, ROWS * longest * parallel_threads(), sizeof *scores);
    if (!tasks || !scores)
        return;
#pragma omp parallel for schedule(dynamic) if (parallel_worth(2 * q->rows * H * longest))
    for (int64_t i = 0; i < count * H; i++) {
        const Task *t = tasks + i / H;
        head_forward(a, keys + t->s, t, seqs->start[t->s], q, o, i % H,
                     scores + ROWS * longest * parallel_index(), row);
    }
}

/* One row of every sequence, as in decoding: keys and values are read once, as they stand, for
 * all query heads that share them. */
static void attention_rows(Run *run, const Attention *a, const Keys *keys, const Mat *q, Mat *o,
                           const Seqs *seqs)
{
    int64_t longest = attention_longest(keys, seqs->count), E = a->width, G = a->heads / a->kv_heads,
            size = G * longest;
    float *scratch = run_alloc(run, size * parallel_threads(), sizeof *scratch);
    if (!scratch)
        return;
#pragma omp parallel for schedule(dynamic) if (parallel_worth(q->rows * a->heads * longest * E / 4))
    for (int64_t i = 0; i < seqs->count * a->kv_heads; i++) {
        const Keys *k = keys + i / a->kv_heads;
        int64_t h = i % a->kv_heads, at = i / a->kv_heads * q->stride + h * G * E;
        float *scores = scratch + size * parallel_index();
        kernels->scores(scores, k->count, q->data + at, k->key + h * k->head, k->key_stride, G, k->count, E);
        for (int64_t j = 0; j < G * k->count; j++)
            scores[j] *= a->scale;
        for (int64_t g = 0; g < G; g++)
            softmax_row(scores + g * k->count, k->count);
        kernels->mix(o->data + at, E, scores, k->count, k->value + h * k->head, k->value_stride, G, k->count,
                     E);
    }
}

Mat *attention(Run *run, const Attention *a, Mat *q, Mat *k, Mat *v, const Seqs *seqs, KvCache *cache,
               int64_t layer)
{
    if (!q || !k || !v)
        return NULL;
    int64_t N = q->rows, H = a->heads;
    assert(q->cols == H * a->width && k->cols == a->kv_heads * a->width && v->cols == k->cols &&
           H % a->kv_heads == 0 && seqs->start[seqs->count] == N);
    assert(!cache || !run->tape);
    Mat *o = mat_new(run, N, q->cols);
    SoftmaxRow *row = run->tape ? run_alloc(run, H * N, sizeof *row) : NULL;
    ArenaMark mark = arena_mark(run->arena);
    Keys *keys = run_alloc(run, seqs->count, sizeof *keys);
    if (!o || !keys || (run->tape && !row))
        return NULL;
    if (cache)
        cache_append(cache, layer, seqs, k, v, a->width);
    for (int64_t s = 0; s < seqs->count; s++)
        keys[s] = keys_of(seqs, s, k, v, cache, layer, a->width);
    if (N == seqs->count && !run->tape)
        attention_rows(run, a, keys, q, o, seqs);
    else if (kernels->tile)
        attention_tiles(run, a, keys, q, o, seqs, row);
    else
        attention_blocks(run, a, keys, q, o, seqs, row);
    arena_release(run->arena, mark);
    Saved *s = tape_record(run, backward, sizeof *s);
    if (s)
        *s = (Saved){a, q, k, v, o, seqs, row};
    return run->error->status == OK ? o : NULL;
}
