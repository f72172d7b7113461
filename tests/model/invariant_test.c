/* What must hold whatever the numbers are, and needs no golden: the first thing to run on a
 * port. The tiny checkpoints' own cases serve as input. */
#include "fixture/model_family.h"
#include "fixture/must.h"

#include "base/parallel.h"

#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void open_case(Case *c, const FamilyGolden *f)
{
    case_open(c, f->family, f->golden, FROM_GOLDEN);
}

static void close_case(Case *c)
{
    case_close(c);
    golden_drop(&c->g);
}

static void same_hidden(const Pass *a, const Pass *b, const char *what)
{
    size_t bytes = (size_t)(a->hidden->rows * a->hidden->cols) * sizeof(float);
    if (memcmp(a->hidden->data, b->hidden->data, bytes))
        fail_msg("%s: the last hidden rows have other bits", what);
    if (a->loss < b->loss || a->loss > b->loss)
        fail_msg("%s: the loss is %.17g, not %.17g", what, b->loss, a->loss);
}

static void same_gradients(const Case *c, const Pass *a, const Pass *b, const char *what)
{
    for (int64_t i = 0; i < c->vlm.checkpoint.params; i++) {
        const Param *p = c->vlm.checkpoint.param[i];
        if (memcmp(a->grad[i], b->grad[i], (size_t)p->count * sizeof(float)))
            fail_msg("%s: the gradient of %s has other bits", what, p->name);
    }
}

/* A pass of another kind gives the bits of a plain one. */
static void as_plain(void **state, PassKind kind, const char *what)
{
    Case c;
    Pass plain;
    Pass other;
    open_case(&c, *state);
    pass_run(&plain, &c, (PassKind){0});
    pass_run(&other, &c, kind);
    same_hidden(&plain, &other, what);
    pass_free(&other);
    pass_free(&plain);
    close_case(&c);
}

static void tape_or_not(void **state)
{
    as_plain(state, (PassKind){.tape = true}, "with a tape (read src/tensor/tape.c)");
}

static void probe_or_not(void **state)
{
    as_plain(state, (PassKind){.probe = true}, "with a probe (read src/tensor/probe.c)");
}

static void recompute_or_not(void **state)
{
    Case c;
    Pass whole;
    Pass again;
    open_case(&c, *state);
    pass_run(&whole, &c, (PassKind){.gradients = true});
    pass_run(&again, &c, (PassKind){.gradients = true, .recompute = true, .probe = true});
    same_hidden(&whole, &again, "with recomputation (read run_block in src/tensor/tape.c)");
    same_gradients(&c, &whole, &again, "with recomputation (read run_block in src/tensor/tape.c)");
    for (int64_t i = 0; i < again.probe.count; i++) /* running a block again shows nothing twice */
        for (int64_t j = 0; j < i; j++)
            assert_string_not_equal(again.probe.tensor[i].name, again.probe.tensor[j].name);
    assert_true(again.probe.count > 0);
    pass_free(&again);
    pass_free(&whole);
    close_case(&c);
}

static void any_number_of_threads(void **state)
{
    Case c;
    Pass one;
    Pass more;
    open_case(&c, *state);
    parallel_set_threads(1);
    pass_run(&one, &c, (PassKind){.gradients = true});
    const int counts[] = {2, 3, 4, 8};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        parallel_set_threads(counts[i]);
        pass_run(&more, &c, (PassKind){.gradients = true});
        same_hidden(&one, &more, "with more threads");
        same_gradients(&c, &one, &more, "with more threads");
        pass_free(&more);
    }
    parallel_set_threads(0);
    pass_free(&one);
    close_case(&c);
}

/* Rows that should agree but for rounding: their largest difference in units of PyTorch's own
 * error. */
static double apart(const Case *c, const float *a, const float *b, int64_t count)
{
    double worst = 0;
    for (int64_t i = 0; i < count; i++) {
        double d = fabs((double)a[i] - (double)b[i]);
        if (!(d <= worst)) /* true for NaN too */
            worst = isfinite(d) ? d : INFINITY;
    }
    return worst / golden_unit(&c->g, c->family->normed);
}

static Run run_new(Arena *arena, Error *e)
{
    arena_init(arena);
    return (Run){.arena = arena, .error = e};
}

/* The first rows of [3, count]; owned by the caller. */
static int32_t *first_positions(const Sample *s, int64_t rows)
{
    Error e = {0};
    int32_t *out = memory_new(3 * rows, sizeof *out, &e);
    must(&e);
    for (int axis = 0; axis < 3; axis++)
        memcpy(out + axis * rows, s->position + axis * s->count, (size_t)rows * sizeof *out);
    return out;
}

/* Do the first rows of the sample turn in a shorter sequence as in the whole? Not so with rotary positions
 * that depend on the length. */
static bool turns_alike(Run *run, const Case *c, int64_t rows)
{
    Sample part = {.count = rows, .position = first_positions(&c->sample, rows)};
    const Rope *whole = c->family->rope(run, &c->vlm, &c->sample);
    const Rope *first = c->family->rope(run, &c->vlm, &part);
    assert_true(whole && first);
    const size_t bytes = (size_t)(rows * whole->turned / 2) * sizeof *whole->cos;
    free(part.position);
    return !memcmp(whole->cos, first->cos, bytes) && !memcmp(whole->sin, first->sin, bytes);
}

/* Leaves a prompt of that many rows. */
static void shorten(Sample *s, int64_t rows)
{
    int32_t *position = first_positions(s, rows);
    free(s->position);
    free(s->labels);
    s->position = position;
    s->labels = NULL;
    s->count = rows;
}

/* The prompt's first rows in one pass, the others one by one on top of a cache: as one pass over
 * all, as long as the rows turn alike in both. */
static void cache_or_not(void **state)
{
    enum { ALONE = 5 };
    Case c;
    Pass whole;
    Arena arena;
    Error e = {0};
    open_case(&c, *state);
    Run run = run_new(&arena, &e);
    while (!turns_alike(&run, &c, c.sample.count - ALONE))
        shorten(&c.sample, c.sample.count - 1);
    pass_run(&whole, &c, (PassKind){0});
    const Sample *s = &c.sample;
    int64_t D = whole.hidden->cols;
    int64_t first = s->count - ALONE;
    KvCache *cache = kv_cache_new(&run, c.vlm.layers, c.vlm.kv_width, &s->count, 1);
    Batch *all = batch_pack(&run, s, 1);
    assert_true(cache && all);
    for (int64_t n = 0; n < s->count; n = n < first ? first : n + 1) {
        int64_t rows = n < first ? first : 1;
        int64_t start[2] = {0, rows};
        int32_t *position = run_alloc(&run, 3 * rows, sizeof *position);
        assert_non_null(position);
        for (int axis = 0; axis < 3; axis++)
            memcpy(position + axis * rows, s->position + axis * s->count + n,
                   (size_t)rows * sizeof *position);
        Batch part = {
            rows, s->ids + n, position, {1, start}, n ? NULL : all->pictures, n ? 0 : all->n_pictures};
        Mat *h = vlm_forward(&run, &c.vlm, &part, cache);
        assert_non_null(h);
        double d = apart(&c, whole.hidden->data + n * D, h->data, rows * D);
        if (!(d <= golden_pass_limit))
            fail_msg("rows %lld.. through the cache are %.3g x PyTorch's own error away; read "
                     "src/layer/attention.c, src/tensor/seqs.c",
                     (long long)n, d);
    }
    arena_free(&arena);
    pass_free(&whole);
    close_case(&c);
}

/* Columns 0 .. count - 1 of rows[3, all]; owned by the caller. */
static int32_t *run_prefix(const int32_t *rows, int64_t all, int64_t count)
{
    Error e = {0};
    int32_t *out = memory_new(3 * count, sizeof *out, &e);
    must(&e);
    for (int axis = 0; axis < 3; axis++)
        memcpy(out + axis * count, rows + axis * all, (size_t)count * sizeof *out);
    return out;
}

/* The sample and a shorter one in one batch, in either order: as alone. */
static void batch_or_alone(void **state)
{
    Case c;
    Pass alone;
    Arena arena;
    Error e = {0};
    open_case(&c, *state);
    pass_run(&alone, &c, (PassKind){0});
    Sample other = c.sample; /* without its last rows; the pictures stand before them */
    other.count -= 5;
    other.position = run_prefix(c.sample.position, c.sample.count, other.count);
    for (int order = 0; order < 2; order++) {
        Run run = run_new(&arena, &e);
        Sample both[2];
        both[order] = c.sample;
        both[1 - order] = other;
        Batch *b = batch_pack(&run, both, 2);
        Mat *h = vlm_forward(&run, &c.vlm, b, NULL);
        assert_non_null(h);
        double d = apart(&c, alone.hidden->data, h->data + b->seqs.start[order] * h->cols,
                         alone.hidden->rows * h->cols);
        if (!(d <= golden_pass_limit))
            fail_msg("in a batch the rows are %.3g x PyTorch's own error away from those alone; read "
                     "src/model/batch.c, src/layer/attention.c",
                     d);
        arena_free(&arena);
    }
    free(other.position);
    pass_free(&alone);
    close_case(&c);
}

int main(void)
{
    const FamilyTest tests[] = {
        {"tape or not", tape_or_not},           {"probe or not", probe_or_not},
        {"recompute or not", recompute_or_not}, {"any number of threads", any_number_of_threads},
        {"cache or not", cache_or_not},         {"batch or alone", batch_or_alone},
    };
    return run_family_tests(EACH_GRADIENT, tests, sizeof tests / sizeof *tests);
}
