/* The estimates of training's memory against what a pass really takes, as its arena counts it; and
 * the decision to recompute at its border. */
#include "fixture/tiny_run.h"

#include "base/parallel.h"
#include "model/loss.h"
#include "train/adamw.h"
#include "train/estimate.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A pass takes between this part of its estimate and all of it. What does not grow with the rows
 * (each thread's own memory) counts for much in models as small as these. */
static const double low = 0.75;

static char checkpoints[][40] = {"weights/tiny-qwen2vl-a", "weights/tiny-qwen2vl-b", "weights/tiny-smolvlm-a",
                                 "weights/tiny-smolvlm-b"};

/* Questions with long texts: what a pass takes is then mostly what its rows take. */
static void load(Samples *s, TinyRun *r, int64_t images)
{
    static char text[1500];
    for (size_t i = 0; i + 1 < sizeof text; i++)
        text[i] = i % 6 == 5 ? ' ' : (char)('a' + i % 7);
    for (int i = 0; i < 2; i++) {
        r->pair[i].text = text;
        r->pair[i].n_images = images;
    }
    samples_load(s, &r->vlm, r->pair, 2, NULL, NULL, &r->error);
    tiny_run_must(r);
}

static size_t pass_peak(TinyRun *r, const Samples *s, bool recompute)
{
    Arena arena;
    LossSum sum = {0};
    arena_init(&arena);
    Run run = {.arena = &arena, .error = &r->error, .recompute = recompute};
    run.tape = tape_new(&run);
    vlm_loss(&run, &r->vlm, s->sample, s->count, 0.01, &sum);
    tiny_run_must(r);
    size_t peak = arena.peak;
    arena_free(&arena);
    return peak;
}

static void check_pass(TinyRun *r, int64_t images, bool recompute)
{
    Samples samples;
    load(&samples, r, images);
    const PassSize size = pass_size(&samples);
    assert_true(size.rows > 400 && (size.picture_tokens > 0) == (images > 0));
    double peak = (double)pass_peak(r, &samples, recompute);
    double part = peak / (double)estimate_pass(&r->vlm, size, recompute);
    if (!(part >= low && part <= 1))
        fail_msg("%s, %lld pictures, %s, %d threads: a pass takes %.0f bytes, %.3f of the estimate; read "
                 "src/train/estimate.c, transformer_row_bytes in src/model/block/transformer.c",
                 r->checkpoint, (long long)images, recompute ? "recomputed" : "kept", parallel_threads(),
                 peak, part);
    samples_free(&samples);
}

static void a_pass(void **state)
{
    TinyRun r;
    Optimiser a;
    tiny_run_make(&r, *state);
    optimiser_init(&a, &r.vlm.checkpoint, &r.options.level, &r.error);
    tiny_run_must(&r);
    for (int threads = 1; threads <= 4; threads += 3) {
        parallel_set_threads(threads);
        for (int kind = 0; kind < 4; kind++)
            check_pass(&r, kind / 2, kind % 2);
    }
    parallel_set_threads(0);
    optimiser_free(&a);
    tiny_run_free(&r);
}

/* Master, gradient and two moments of every parameter. */
static void the_state(void **state)
{
    TinyRun r;
    int64_t count;
    tiny_run_make(&r, *state);
    float *values = tiny_run_values(&r, &count);
    assert_int_equal(estimate_state(&r.vlm), 16 * count);
    free(values);
    tiny_run_free(&r);
}

/* The pictures' frames count too: a SmolVLM picture has several, which do not see each other. */
static void size_of_a_pass(void **state)
{
    (void)state;
    Picture picture[2] = {{.tokens = 4, .grid = {5, 6, 7}}, {.tokens = 3, .grid = {1, 2, 2}}};
    Sample sample[2] = {{.count = 30}, {.count = 20}};
    const Samples samples = {sample, 2, picture, 2};
    PassSize size = pass_size(&samples);
    assert_true(size.rows == 50 && size.picture_tokens == 7 && size.longest == 42);
    sample[1].count = 50;
    assert_int_equal(pass_size(&samples).longest, 50);
}

static void when_to_recompute(void **state)
{
    (void)state;
    assert_false(estimate_recompute(0, 100));
    assert_false(estimate_recompute(50, 100));
    assert_true(estimate_recompute(51, 100));
    assert_true(estimate_recompute(1, 1));
    assert_false(estimate_recompute(INT64_MAX, 0)); /* not known how much there is */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"a pass, tiny-qwen2vl-a", a_pass, NULL, NULL, checkpoints[0]},
        {"a pass, tiny-qwen2vl-b", a_pass, NULL, NULL, checkpoints[1]},
        {"a pass, tiny-smolvlm-a", a_pass, NULL, NULL, checkpoints[2]},
        {"a pass, tiny-smolvlm-b", a_pass, NULL, NULL, checkpoints[3]},
        {"the state", the_state, NULL, NULL, checkpoints[0]},
        cmocka_unit_test(size_of_a_pass),
        cmocka_unit_test(when_to_recompute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
