/* Attention, the layer: finds the keys and values of each sequence, in the batch or in the
 * cache, and chooses a kernel. Per sequence and query head h, with key/value head g = h K / H:
 *
 *     o = P v,  P = softmax(scale * q k^T) over the keys that a row may see
 *
 * A row sees the keys of its own sequence; when causal, those up to its own position. Scores
 * exist for a few query rows of one head at a time. Training keeps the maximum and the sum of
 * each row of scores, from which the backward recomputes P. (Qwen2VLAttention, VisionAttention,
 * LlamaAttention, scaled_dot_product_attention) */
#include "layer/attention_kernels.h"

#include "base/parallel.h"

#include <string.h>

/* Appends the batch's rows to a layer of the cache. */
static void cache_append(KvCache *c, int64_t layer, const Seqs *seqs, const Mat *k, const Mat *v, int64_t E)
{
    const size_t bytes = (size_t)E * sizeof(float);
    for (int64_t s = 0; s < seqs->count; s++) {
        const int64_t slot = c->slot[s];
        const int64_t capacity = c->first[slot + 1] - c->first[slot];
        const int64_t first = seqs->start[s];
        const int64_t rows = seqs->start[s + 1] - first;
        int64_t to = (layer * c->first[c->slots] + c->first[slot]) * c->width + c->length[slot] * E;
        assert(c->length[slot] + rows <= capacity);
        for (int64_t g = 0; g < c->width / E; g++) {
            for (int64_t n = 0; n < rows; n++) {
                memcpy(c->key + to + n * E, k->data + (first + n) * k->stride + g * E, bytes);
                memcpy(c->value + to + n * E, v->data + (first + n) * v->stride + g * E, bytes);
            }
            to += capacity * E;
        }
    }
}

/* Sequence s of the batch, without a past. */
static Keys batch_keys(const Seqs *seqs, int64_t s, const Mat *k, const Mat *v, int64_t E)
{
    const int64_t first = seqs->start[s];
    return (Keys){.key = k->data + first * k->stride,
                  .value = v->data + first * v->stride,
                  .key_stride = k->stride,
                  .value_stride = v->stride,
                  .head = E,
                  .count = seqs->start[s + 1] - first};
}

/* The slot of sequence s, where its rows were appended but not counted yet. */
static Keys cache_keys(const Seqs *seqs, int64_t s, const KvCache *c, int64_t layer, int64_t E)
{
    const int64_t slot = c->slot[s];
    const int64_t at = (layer * c->first[c->slots] + c->first[slot]) * c->width;
    return (Keys){.key = c->key + at,
                  .value = c->value + at,
                  .key_stride = E,
                  .value_stride = E,
                  .head = (c->first[slot + 1] - c->first[slot]) * E,
                  .count = c->length[slot] + seqs->start[s + 1] - seqs->start[s],
                  .past = c->length[slot]};
}

typedef struct {
    const Attention *a;
    Mat *q, *k, *v, *o;
    const Seqs *seqs;
    SoftmaxRow *row;
} Saved;

/* The arrays of the kernels; keys is NULL after a failure. */
static AttentionArrays arrays(Run *run, const Saved *s, const KvCache *cache, int64_t layer)
{
    Keys *keys = run_alloc(run, s->seqs->count, sizeof *keys);
    for (int64_t i = 0; keys && i < s->seqs->count; i++)
        keys[i] = cache ? cache_keys(s->seqs, i, cache, layer, s->a->width)
                        : batch_keys(s->seqs, i, s->k, s->v, s->a->width);
    return (AttentionArrays){.a = s->a,
                             .seqs = s->seqs,
                             .keys = keys,
                             .q = s->q->data,
                             .o = s->o->data,
                             .q_stride = s->q->stride,
                             .o_stride = s->o->stride,
                             .row = s->row};
}

static void backward(Run *run, void *p)
{
    const Saved *s = p;
    const float *d_o = mat_grad(run, s->o);
    float *dq = mat_grad(run, s->q);
    float *dk = mat_grad(run, s->k);
    float *dv = mat_grad(run, s->v);
    ArenaMark mark = arena_mark(run->arena);
    const AttentionArrays x = arrays(run, s, NULL, 0);
    if (run->error->status == OK)
        attention_bwd(run, &x, dq, dk, dv, d_o);
    arena_release(run->arena, mark);
}

int64_t attention_scratch(int64_t heads, int64_t width, int64_t rows, bool backward)
{
    const int64_t threads = parallel_threads();
    const int64_t forward =
        threads * (kernels->tile ? attention_tiles_scratch(rows, width) : ATTENTION_BLOCK * rows);
    const int64_t values =
        backward ? max_i64(forward, min_i64(threads, heads) * attention_bwd_scratch(rows, width)) : forward;
    return values * (int64_t)sizeof(float);
}

Mat *attention(Run *run, const Attention *a, Mat *q, Mat *k, Mat *v, const Seqs *seqs, KvCache *cache,
               int64_t layer)
{
    if (!q || !k || !v)
        return NULL;
    assert(q->cols == a->heads * a->width && k->cols == a->kv_heads * a->width && v->cols == k->cols);
    assert(a->heads % a->kv_heads == 0 && seqs->start[seqs->count] == q->rows && !(cache && run->tape));
    Saved s = {a, q, k, v, mat_new(run, q->rows, q->cols), seqs, NULL};
    if (run->tape)
        s.row = run_alloc(run, a->heads * q->rows, sizeof *s.row);
    if (run->error->status != OK)
        return NULL;
    ArenaMark mark = arena_mark(run->arena);
    const AttentionArrays x = arrays(run, &s, cache, layer);
    if (!x.keys)
        return NULL;
    if (cache)
        cache_append(cache, layer, seqs, k, v, a->width);
    if (q->rows == seqs->count && !run->tape)
        attention_decode(run, &x);
    else if (kernels->tile)
        attention_tiles(run, &x);
    else
        attention_blocks(run, &x);
    arena_release(run->arena, mark);
    Saved *saved = tape_record(run, backward, sizeof *saved);
    if (saved)
        *saved = s;
    return run->error->status == OK ? s.o : NULL;
}
