/* Attention forward on register tiles (kernels.h), the other way round: S^T = K Q^T and o^T =
 * V^T P^T, so that what one product leaves is the next one's panel. A panel of queries is one of
 * columns: the rows of a sequence and the query heads that share a key/value head, the heads of
 * a row side by side. So decoding, with one row, fills panels too, and keys and values are
 * packed once for all heads that use them. */
#include "layer/attention.h"

#include "base/number.h"
#include "base/parallel.h"
#include "kernel/kernels.h"

#include <math.h>
#include <string.h>

/* PANELS: at least, for which a task packs keys and values; KC: keys at a time of o's sums;
 * MOST_COLS: of a tile. */
enum { PANELS = 8, KC = 256, MOST_COLS = 64 };

typedef struct {
    const Attention *a;
    const Mat *q;
    Mat *o;
    SoftmaxRow *row;
    int64_t group; /* query heads per key/value head */
} Forward;

/* Columns first .. first + columns - 1 of one sequence and key/value head. */
typedef struct {
    int64_t s, kv, first, columns;
} Task;

/* A thread's memory, as parts of one piece. */
typedef struct {
    float *keys, *values; /* packed: panels of keys; panels of the values' columns */
    float *query, *panel; /* NR rows of q, and packed */
    float *scores, *out;  /* S^T, then P^T [keys, NR]; o^T [E, NR] */
} Scratch;

/* Cut from `memory`, if there is one; returns how many floats it takes for so many keys. */
static int64_t scratch_cut(Scratch *s, float *memory, int64_t keys, int64_t E)
{
    int64_t MR = kernels->tile->rows, NR = kernels->tile->cols, K = round_up(keys, MR), W = round_up(E, MR),
            used = 0;
    const int64_t size[] = {K * E, K * W, NR * E, NR * E, K * NR, W * NR};
    float **part[] = {&s->keys, &s->values, &s->query, &s->panel, &s->scores, &s->out};
    for (int i = 0; i < 6; i++) {
        *part[i] = memory ? memory + used : NULL;
        used += size[i];
    }
    return used;
}

/* Puts `value` where columns c .. c + count - 1 do not see one of the K keys. */
static void hide(const Forward *f, const Keys *keys, float *scores, int64_t K, int64_t c, int64_t count,
                 float value)
{
    for (int64_t j = 0; j < count; j++)
        for (int64_t k = attention_visible(f->a, keys, (c + j) / f->group); k < K; k++)
            scores[k * kernels->tile->cols + j] = value;
}

/* Columns c .. c + count - 1, `count` <= NR, of task t; `start`: the sequence's first row. */
static void panel_forward(const Forward *f, const Keys *keys, const Task *t, int64_t start, int64_t packed,
                          int64_t c, int64_t count, const Scratch *s)
{
    const int64_t MR = kernels->tile->rows, NR = kernels->tile->cols, E = f->a->width, G = f->group;
    const int64_t K = attention_visible(f->a, keys, (c + count - 1) / G);
    float most[MOST_COLS];
    double sum[MOST_COLS];
    for (int64_t j = 0; j < count; j++)
        memcpy(s->query + j * E,
               f->q->data + (start + (c + j) / G) * f->q->stride + (t->kv * G + (c + j) % G) * E,
               (size_t)E * sizeof(float));
    kernels->tile->pack(s->panel, true, &(Weight){s->query, F32, E, NULL}, count, E);
    for (int64_t k = 0; k < K; k += MR)
        kernels->tile->multiply(s->scores + k * NR, NR, s->keys + k * E, s->panel, E, false);
    hide(f, keys, s->scores, K, c, count, -INFINITY);
    kernels->softmax(s->scores, K, f->a->scale, most, sum);
    hide(f, keys, s->scores, K, c, count, 0);
    for (int64_t k = 0; k < K; k += KC)
        for (int64_t e = 0; e < E; e += MR)
            kernels->tile->multiply(s->out + e * NR, NR, s->values + e * packed + k * MR, s->scores + k * NR,
                                    min_i64(KC, K - k), k > 0);
    for (int64_t j = 0; j < count; j++) {
        int64_t n = start + (c + j) / G, h = t->kv * G + (c + j) % G;
        float part = (float)(1 / sum[j]), *o = f->o->data + n * f->o->stride + h * E;
        for (int64_t e = 0; e < E; e++)
            o[e] = s->out[e * NR + j] * part;
        if (f->row)
            f->row[h * f->q->rows + n] = (SoftmaxRow){most[j], part};
    }
}

static void task_forward(const Forward *f, const Keys *keys, const Task *t, int64_t start, const Scratch *s)
{
    const int64_t MR = kernels->tile->rows, NR = kernels->tile->cols, E = f->a->width;
    const int64_t seen = attention_visible(f->a, keys, (t->first + t->columns - 1) / f->group);
    const Weight key = {keys->key + t->kv * keys->head, F32, keys->key_stride, NULL},
                 value = {keys->value + t->kv * keys->head, F32, keys->value_stride, NULL};
    for (int64_t k = 0; k < seen; k += MR) {
        const Weight part = weight_part(&key, k, 0);
        kernels->tile->pack(s->keys + k * E, false, &part, min_i64(MR, seen - k), E);
    }
    kernels->tile->pack_columns(s->values, false, &value, E, seen);
    for (int64_t c = 0; c < t->columns; c += NR)
        panel_forward(f, keys, t, start, seen, t->first + c, min_i64(NR, t->columns - c), s);
}

/* Every sequence and key/value head, cut where that leaves threads without work. NULL after a
 * failure. */
static Task *tasks_new(Run *run, const Seqs *seqs, int64_t kv_heads, int64_t group, int64_t *count)
{
    const int64_t NR = kernels->tile->cols, wanted = 4 * parallel_threads(),
                  cuts = (wanted + seqs->count * kv_heads - 1) / (seqs->count * kv_heads);
    Task *t = run_alloc(run, seqs->count * kv_heads * cuts, sizeof *t);
    *count = 0;
    for (int64_t s = 0; t && s < seqs->count; s++) {
        int64_t columns = (seqs->start[s + 1] - seqs->start[s]) * group,
                size = round_up((columns + cuts - 1) / cuts, NR);
        size = size < PANELS * NR ? PANELS * NR : size;
        for (int64_t first = 0; first < columns; first += size)
            for (int64_t kv = 0; kv < kv_heads; kv++)
                t[(*count)++] = (Task){s, kv, first, min_i64(size, columns - first)};
    }
    return t;
}

void attention_tiles(Run *run, const Attention *a, const Keys *keys, const Mat *q, Mat *o, const Seqs *seqs,
                     SoftmaxRow *row)
{
    const Forward f = {a, q, o, row, a->heads / a->kv_heads};
    assert(kernels->tile->cols <= MOST_COLS);
    int64_t longest = attention_longest(keys, seqs->count), count;
    Task *tasks = tasks_new(run, seqs, a->kv_heads, f.group, &count);
    Scratch none;
    int64_t size = scratch_cut(&none, NULL, longest, a->width);
    float *memory = run_alloc(run, size * parallel_threads(), sizeof *memory);
    if (!tasks || !memory)
        return;
#pragma omp parallel for schedule(dynamic) if (parallel_worth(2 * q->rows * a->heads * longest))
    for (int64_t i = count - 1; i >= 0; i--) { /* what sees most first */
        const Task *t = tasks + i;
        Scratch s;
        scratch_cut(&s, memory + size * parallel_index(), longest, a->width);
        task_forward(&f, keys + t->s, t, seqs->start[t->s], &s);
    }
}
