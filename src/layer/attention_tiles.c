/* Attention forward on register tiles (kernels.h). It computes the transposes, S^T = K Q^T and
 * o^T = V^T P^T, so that the result of one product is a panel of the next. The columns of a
 * panel are queries: the rows of a sequence, and for each row the query heads that share a
 * key/value head, side by side. So a single row fills panels too, and keys and values are packed
 * once for all heads that use them. */
#include "layer/attention_kernels.h"

#include "base/parallel.h"

#include <math.h>
#include <string.h>

enum { PANELS = 8 }; /* a task has at least so many, because it packs keys and values for itself */

/* Queries first .. first + columns - 1 of one sequence and key/value head; query c is row c /
 * group, head c % group of those that share it. */
typedef struct {
    int64_t s, kv, first, columns;
} PanelTask;

typedef struct {
    const AttentionArrays *x;
    const PanelTask *task;
    const Keys *keys;
    int64_t group;  /* query heads per key/value head */
    int64_t packed; /* values that were packed: all keys that the task sees */
} Forward;

/* A thread's memory, in one piece. */
typedef struct {
    float *keys, *values; /* packed: panels of keys; panels of the values' columns */
    float *query, *panel; /* NR queries, and their panel */
    float *scores, *out;  /* S^T, then P^T [keys,NR]; o^T [E,NR] */
} Scratch;

/* Cuts `memory` (unless it is NULL) into its parts; returns how many floats they take for so
 * many keys. */
static int64_t scratch_cut(Scratch *s, float *memory, int64_t keys, int64_t E)
{
    const int64_t MR = kernels->tile->rows;
    const int64_t NR = kernels->tile->cols;
    const int64_t K = round_up(keys, MR);
    const int64_t W = round_up(E, MR);
    const ScratchPart parts[] = {{&s->keys, K * E},   {&s->values, K * W},  {&s->query, NR * E},
                                 {&s->panel, NR * E}, {&s->scores, K * NR}, {&s->out, W * NR}};
    return attention_cut(memory, parts, sizeof parts / sizeof *parts);
}

int64_t attention_tiles_scratch(int64_t keys, int64_t width)
{
    Scratch none;
    return scratch_cut(&none, NULL, keys, width);
}

/* The row of query c in the batch, and its head. */
static int64_t row_of(const Forward *f, int64_t c)
{
    return f->x->seqs->start[f->task->s] + c / f->group;
}

static int64_t head_of(const Forward *f, int64_t c)
{
    return f->task->kv * f->group + c % f->group;
}

/* scores := value wherever one of queries c .. c + count - 1 does not see one of the K keys. */
static void hide(const Forward *f, float *scores, int64_t K, int64_t c, int64_t count, float value)
{
    for (int64_t j = 0; j < count; j++)
        for (int64_t k = attention_visible(f->x->a, f->keys, (c + j) / f->group); k < K; k++)
            scores[k * kernels->tile->cols + j] = value;
}

/* s->out := o^T, not divided by the sums, of queries c .. c + count - 1; count <= NR. */
static void panel_products(const Forward *f, int64_t c, int64_t count, const Scratch *s, float *max,
                           double *sum)
{
    const int64_t MR = kernels->tile->rows;
    const int64_t NR = kernels->tile->cols;
    const int64_t E = f->x->a->width;
    const int64_t K = attention_visible(f->x->a, f->keys, (c + count - 1) / f->group);
    for (int64_t j = 0; j < count; j++)
        memcpy(s->query + j * E, f->x->q + row_of(f, c + j) * f->x->q_stride + head_of(f, c + j) * E,
               (size_t)E * sizeof(float));
    kernels->tile->pack(s->panel, true, &(Weight){s->query, F32, E, NULL}, count, E);
    for (int64_t k = 0; k < K; k += MR)
        kernels->tile->multiply(s->scores + k * NR, NR, s->keys + k * E, s->panel, E, false);
    hide(f, s->scores, K, c, count, -INFINITY);
    kernels->softmax(s->scores, K, f->x->a->scale, max, sum);
    hide(f, s->scores, K, c, count, 0);
    for (int64_t k = 0; k < K; k += ATTENTION_KEYS)
        for (int64_t e = 0; e < E; e += MR)
            kernels->tile->multiply(s->out + e * NR, NR, s->values + e * f->packed + k * MR,
                                    s->scores + k * NR, min_i64(ATTENTION_KEYS, K - k), k > 0);
}

/* Queries c .. c + count - 1, count <= NR. */
static void panel_forward(const Forward *f, int64_t c, int64_t count, const Scratch *s)
{
    const AttentionArrays *x = f->x;
    const int64_t NR = kernels->tile->cols;
    const int64_t E = x->a->width;
    float max[ATTENTION_COLS];
    double sum[ATTENTION_COLS];
    panel_products(f, c, count, s, max, sum);
    for (int64_t j = 0; j < count; j++) {
        const int64_t n = row_of(f, c + j);
        const int64_t h = head_of(f, c + j);
        const float inv_sum = (float)(1 / sum[j]);
        float *o = x->o + n * x->o_stride + h * E;
        for (int64_t e = 0; e < E; e++)
            o[e] = s->out[e * NR + j] * inv_sum;
        if (x->row)
            x->row[h * attention_rows(x) + n] = (SoftmaxRow){max[j], inv_sum};
    }
}

static void task_forward(const AttentionArrays *x, const PanelTask *t, const Scratch *s)
{
    const int64_t MR = kernels->tile->rows;
    const int64_t NR = kernels->tile->cols;
    const int64_t E = x->a->width;
    const int64_t group = x->a->heads / x->a->kv_heads;
    const Keys *keys = x->keys + t->s;
    const int64_t seen = attention_visible(x->a, keys, (t->first + t->columns - 1) / group);
    const Weight key = {keys->key + t->kv * keys->head, F32, keys->key_stride, NULL};
    const Weight value = {keys->value + t->kv * keys->head, F32, keys->value_stride, NULL};
    for (int64_t k = 0; k < seen; k += MR) {
        const Weight part = weight_part(&key, k, 0);
        kernels->tile->pack(s->keys + k * E, false, &part, min_i64(MR, seen - k), E);
    }
    kernels->tile->pack_columns(s->values, false, &value, E, seen);
    const Forward f = {x, t, keys, group, seen};
    for (int64_t c = 0; c < t->columns; c += NR)
        panel_forward(&f, t->first + c, min_i64(NR, t->columns - c), s);
}

/* A task per sequence and key/value head, cut into more where threads would have no work. NULL
 * after a failure. */
static PanelTask *tasks_new(Run *run, const AttentionArrays *x, int64_t *count)
{
    const int64_t NR = kernels->tile->cols;
    const int64_t K = x->a->kv_heads;
    const Seqs *seqs = x->seqs;
    const int64_t cuts = ceil_div(4 * parallel_threads(), seqs->count * K);
    PanelTask *t = run_alloc(run, seqs->count * K * cuts, sizeof *t);
    *count = 0;
    for (int64_t s = 0; t && s < seqs->count; s++) {
        const int64_t columns = (seqs->start[s + 1] - seqs->start[s]) * (x->a->heads / K);
        const int64_t size = max_i64(round_up(ceil_div(columns, cuts), NR), PANELS * NR);
        for (int64_t first = 0; first < columns; first += size)
            for (int64_t kv = 0; kv < K; kv++) {
                t[*count] = (PanelTask){s, kv, first, min_i64(size, columns - first)};
                *count += 1;
            }
    }
    return t;
}

void attention_tiles(Run *run, const AttentionArrays *x)
{
    const int64_t E = x->a->width;
    const int64_t longest = attention_longest(x);
    int64_t count;
    const PanelTask *tasks = tasks_new(run, x, &count);
    const int64_t size = attention_tiles_scratch(longest, E);
    float *memory = run_alloc(run, size * parallel_threads(), sizeof *memory);
    assert(kernels->tile->cols <= ATTENTION_COLS);
    if (!tasks || !memory)
        return;
#pragma omp parallel for schedule(dynamic) if (parallel_worth(2 * attention_rows(x) * x->a->heads * longest))
    for (int64_t i = count - 1; i >= 0; i--) { /* the largest tasks of a causal sequence are its last */
        Scratch s;
        scratch_cut(&s, memory + size * parallel_index(), longest, E);
        task_forward(x, tasks + i, &s);
    }
}
