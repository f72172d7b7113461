/* Attention over packed sequences, grouped heads, causal and full, against PyTorch; row by row * through a
key/value cache; and by every set of kernels. */
#include "fixture/layer_bench.h"

#include "base/random.h"
#include "kernel/kernels.h"

#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

static const char source[] = "src/layer/attention*.c";

static Attention *settings(LayerBench *b)
{
    Attention *a = arena_zero(&b->arena, 1, sizeof *a, &b->error);
    assert_non_null(a);
    int64_t width = (int64_t)golden_number(&b->g, "width");
    bool causal = json_is_true(json_object_get(b->g.notes.root, "causal"));
    *a = (Attention){(int64_t)golden_number(&b->g, "heads"), (int64_t)golden_number(&b->g, "kv_heads"), width,
                     (float)(1 / sqrt((double)width)), causal};
    return a;
}

static Seqs *sequences(LayerBench *b)
{
    json_t *lengths = json_object_get(b->g.notes.root, "lengths");
    Seqs *s = arena_zero(&b->arena, 1, sizeof *s, &b->error);
    int64_t count = (int64_t)json_array_size(lengths);
    int64_t *start = arena_zero(&b->arena, count + 1, sizeof *start, &b->error);
    assert_true(s && start && count > 0);
    for (int64_t i = 0; i < count; i++)
        start[i + 1] = start[i] + json_integer_value(json_array_get(lengths, (size_t)i));
    *s = (Seqs){count, start};
    return s;
}

static Mat *forward(LayerBench *b)
{
    Mat *q = layer_mat(b, "x_q");
    Mat *k = layer_mat(b, "x_k");
    Mat *v = layer_mat(b, "x_v");
    return attention(&b->run, settings(b), q, k, v, sequences(b), NULL, 0);
}

static Mat *rows_of(LayerBench *b, const Mat *x, const int64_t *row, int64_t count)
{
    Mat *y = mat_new(&b->run, count, x->cols);
    assert_non_null(y);
    for (int64_t i = 0; i < count; i++)
        memcpy(y->data + i * x->cols, x->data + row[i] * x->cols, (size_t)x->cols * sizeof *x->data);
    return y;
}

/* One pass through the cache over `count` rows of every sequence that has as many left from * `first` on;
their results go to y. */
static void cached_pass(LayerBench *b, const Attention *a, const Mat *const x[3], const Seqs *all,
                        KvCache *cache, int64_t first, int64_t count, Mat *y)
{
    int64_t row[200] = {0};
    int64_t start[20] = {0};
    int64_t n = 0;
    int64_t s = 0;
    for (int64_t i = 0; i < all->count; i++) {
        int64_t length = all->start[i + 1] - all->start[i];
        int64_t take = length - first < count ? length - first : count;
        if (take <= 0)
            continue;
        for (int64_t j = 0; j < take; j++)
            row[n++] = all->start[i] + first + j;
        cache->slot[s++] = i;
        start[s] = n;
    }
    Seqs seqs = {s, start};
    Mat *o = attention(&b->run, a, rows_of(b, x[0], row, n), rows_of(b, x[1], row, n),
                       rows_of(b, x[2], row, n), &seqs, cache, 1);
    assert_non_null(o);
    kv_cache_advance(cache, &seqs);
    for (int64_t i = 0; i < n; i++)
        memcpy(y->data + row[i] * y->cols, o->data + i * o->cols, (size_t)o->cols * sizeof *o->data);
}

/* The first rows at once, the rest `step` at a time, in the second of two layers. */
static void check_cache(const char *golden, int64_t at_once, int64_t step)
{
    LayerBench b = {0};
    golden_open(&b.g, golden);
    arena_init(&b.arena);
    b.run = (Run){.arena = &b.arena, .error = &b.error};
    const Mat *const x[3] = {layer_mat(&b, "x_q"), layer_mat(&b, "x_k"), layer_mat(&b, "x_v")};
    const Attention *a = settings(&b);
    const Seqs *all = sequences(&b);
    int64_t capacity[20];
    int64_t longest = 0;
    for (int64_t i = 0; i < all->count; i++) {
        capacity[i] = all->start[i + 1] - all->start[i];
        longest = capacity[i] > longest ? capacity[i] : longest;
    }
    KvCache *cache = kv_cache_new(&b.run, 2, x[1]->cols, capacity, all->count);
    Mat *y = mat_new(&b.run, x[0]->rows, x[0]->cols);
    assert_true(cache && y);
    cached_pass(&b, a, x, all, cache, 0, at_once, y);
    for (int64_t i = at_once; i < longest; i += step)
        cached_pass(&b, a, x, all, cache, i, step, y);
    bool good = golden_close_to(&b.g, "y", y->data, y->rows * y->cols, golden_pass_limit, source);
    arena_free(&b.arena);
    golden_close(&b.g);
    assert_true(good);
}

static void causal(void **state)
{
    (void)state;
    check_layer("layer/attention-causal", forward, source);
    check_layer("layer/attention-long", forward, source);
}

static void full(void **state)
{
    (void)state;
    check_layer("layer/attention-full", forward, source);
    check_layer("layer/attention-long-full", forward, source);
}

static void with_a_cache(void **state)
{
    (void)state;
    check_cache("layer/attention-causal", 1, 1);
    check_cache("layer/attention-causal", 4, 1);
    check_cache("layer/attention-causal", 2, 3);
    check_cache("layer/attention-long", 65, 1);
    check_cache("layer/attention-long", 5, 31);
}

static Mat *noise(Run *run, int64_t rows, int64_t cols, uint64_t seed)
{
    Mat *x = mat_new(run, rows, cols);
    assert_non_null(x);
    for (int64_t i = 0; i < rows * cols; i++)
        x->data[i] = (float)(4 * random_unit(seed, 0, (uint64_t)i) - 2);
    return x;
}

/* Value e of row n and head h in double; `first` and `end`: the keys that it sees. */
static double wanted(const Attention *a, const Mat *q, const Mat *k, const Mat *v, int64_t n, int64_t h,
                     int64_t first, int64_t end, int64_t e)
{
    int64_t E = a->width;
    int64_t kv = h * a->kv_heads / a->heads * E;
    double total = 0;
    double sum = 0;
    for (int64_t j = first; j < end; j++) {
        double score = 0;
        for (int64_t i = 0; i < E; i++)
            score += (double)q->data[n * q->stride + h * E + i] * (double)k->data[j * k->stride + kv + i];
        double p = exp((double)a->scale * score); /* scores are small here */
        total += p;
        sum += p * (double)v->data[j * v->stride + kv + e];
    }
    return sum / total;
}

/* Lengths around the keys that are summed at a time (256), the panels (16, 32) and the smallest task (8
 * panels). */
static void check_kernels(const Attention *a)
{
    Arena arena;
    Error e = {0};
    arena_init(&arena);
    Run run = {.arena = &arena, .error = &e};
    int64_t start[] = {0, 1, 18, 318};
    const Seqs seqs = {3, start};
    Mat *q = noise(&run, 318, a->heads * a->width, 1);
    Mat *k = noise(&run, 318, a->kv_heads * a->width, 2);
    Mat *v = noise(&run, 318, k->cols, 3);
    Mat *o = attention(&run, a, q, k, v, &seqs, NULL, 0);
    assert_non_null(o);
    for (int64_t s = 0; s < 3; s++)
        for (int64_t n = start[s]; n < start[s + 1]; n++)
            for (int64_t h = 0; h < a->heads; h++) {
                int64_t at = (n + 5 * h) % a->width;
                double y = wanted(a, q, k, v, n, h, start[s], a->causal ? n + 1 : start[s + 1], at);
                if (!(fabs((double)o->data[n * o->stride + h * a->width + at] - y) <= 3e-6))
                    fail_msg("kernels %s, row %lld, head %lld, value %lld of width %lld: %.9g, wanted %.9g "
                             "(read src/layer/attention_tiles.c)",
                             kernels->name, (long long)n, (long long)h, (long long)at, (long long)a->width,
                             (double)o->data[n * o->stride + h * a->width + at], y);
            }
    arena_free(&arena);
}

/* What a row does not see has the weight 0, not merely a small one: a huge value in the last row changes no *
bit of the others. */
static void check_unseen(const Attention *a)
{
    enum { N = 50 };
    Arena arena;
    Error e = {0};
    arena_init(&arena);
    Run run = {.arena = &arena, .error = &e};
    const int64_t start[] = {0, N};
    const Seqs seqs = {1, start};
    Mat *q = noise(&run, N, a->heads * a->width, 1);
    Mat *k = noise(&run, N, a->kv_heads * a->width, 2);
    Mat *v = noise(&run, N, k->cols, 3);
    const Mat *o = attention(&run, a, q, k, v, &seqs, NULL, 0);
    for (int64_t i = 0; i < v->cols; i++)
        v->data[(N - 1) * v->stride + i] = 1e37f;
    const Mat *again = attention(&run, a, q, k, v, &seqs, NULL, 0);
    assert_true(o && again);
    if (memcmp(o->data, again->data, (size_t)((N - 1) * o->cols) * sizeof(float)))
        fail_msg("kernels %s: a row depends on one that it does not see; read %s", kernels->name, source);
    arena_free(&arena);
}

static void all_kernels(void **state)
{
    const Kernels *before = kernels;
    (void)state;
    for (int k = 0; kernels_available(k); k++) {
        Error e = {0};
        assert_int_equal(kernels_choose(kernels_available(k)->name, &e), OK);
        check_cache("layer/attention-causal", 4, 1);
        check_cache("layer/attention-causal", 2, 3);
        check_cache("layer/attention-long", 65, 1);
        check_cache("layer/attention-long", 5, 31);
        check_unseen(&(Attention){6, 2, 20, 0.2f, true});
        check_kernels(&(Attention){6, 2, 20, 0.2f, true});
        check_kernels(&(Attention){2, 2, 80, 0.1f, false});
        check_kernels(&(Attention){7, 1, 33, 0.15f, true});
    }
    kernels = before;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(causal), cmocka_unit_test(full),
                                       cmocka_unit_test(with_a_cache), cmocka_unit_test(all_kernels)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
