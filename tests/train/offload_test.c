/* Moments in files (level.offload): the same bits as in memory, whole or in parts, full or of adapters; every
 * step is a state. Where a case fails, read src/train/offload.c, src/train/state_files.c. */
#include "fixture/model_family.h"
#include "fixture/watched_run.h"

#include "base/file.h"
#include "train/estimate.h"
#include "train/offload.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char qwen2vl[] = "weights/tiny-qwen2vl-a";

static void as_in_memory(void **state, bool lora)
{
    TinyRun r;
    tiny_run_make(&r, ((const FamilyGolden *)*state)->family->single);
    if (lora)
        tiny_run_lora(&r);
    RunResult in_memory = run_whole(&r, NULL);
    r.options.level.offload = r.scratch.folder;
    r.options.level.save_every = 0; /* which does not count then */
    RunResult in_files = run_whole(&r, NULL);
    run_result_same(&in_memory, &in_files);
    for (int step = 1; step <= 4; step++)
        assert_true(run_has_state(&r, step) == (step >= 3));
    run_in_parts(&r, &in_memory);
    run_result_free(&in_memory);
    run_result_free(&in_files);
    tiny_run_free(&r);
}

static void full(void **state)
{
    as_in_memory(state, false);
}

static void lora(void **state)
{
    as_in_memory(state, true);
}

/* A parameter of several pieces, the last of them short, has the bits of one that is updated at once. */
static void in_pieces(void **state)
{
    (void)state;
    enum { COUNT = 33 * ADAMW_BLOCK + 1237, UPDATES = 3 };
    TinyRun r;
    const LevelConfig o = {.weight_decay = 0.1, .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8};
    tiny_run_make(&r, qwen2vl);
    file_replace(r.metrics, "", 0, &r.error);
    file_replace(r.timings, "", 0, &r.error);
    float *values = calloc((size_t)COUNT * 5, sizeof *values);
    assert_non_null(values);
    float *part[5];
    for (int k = 0; k < 5; k++)
        part[k] = values + (size_t)k * COUNT;
    Param whole = {
        .name = "p", .ndim = 1, .dim = {COUNT}, .count = COUNT, .master = part[0], .grad = part[4]};
    Param pieces = whole;
    pieces.master = part[3];
    Trained a = {.p = &whole, .mean = part[1], .square = part[2], .rate = 1e-2, .decays = true};
    Trained b = {.p = &pieces, .rate = 1e-2, .decays = true};
    Optimiser in_memory = {.trained = &a, .count = 1};
    Optimiser in_files = {.trained = &b, .count = 1};
    for (int n = 0; n < UPDATES; n++) {
        StateWriter next = {0};
        for (int64_t i = 0; i < COUNT; i++)
            whole.grad[i] = (float)((i * 37 + n) % 1009 - 504) / 512;
        optimiser_update(&in_memory, &o, 0.5, 1);
        offload_update(&in_files, &o, 0.5, 1, &r.files, &next, &r.error);
        state_end(&next, &in_files, &r.files, &r.error);
        tiny_run_must(&r);
        assert_memory_equal(whole.master, pieces.master, COUNT * sizeof *values);
    }
    /* and the moments of the last state are those in memory */
    b.mean = part[4];
    b.square = part[3];
    pieces.master = calloc(COUNT, sizeof *values);
    in_files.step = 0;
    state_resume(&in_files, &r.files, &r.error);
    tiny_run_must(&r);
    assert_int_equal(in_files.step, UPDATES);
    assert_memory_equal(whole.master, pieces.master, COUNT * sizeof *values);
    assert_memory_equal(a.mean, b.mean, COUNT * sizeof *values);
    assert_memory_equal(a.square, b.square, COUNT * sizeof *values);
    free(pieces.master);
    free(values);
    tiny_run_free(&r);
}

/* The state before is there until the next one is whole; damaged, it is not taken. */
static void damaged_state(void **state)
{
    (void)state;
    TinyRun r;
    char path[400];
    Text text = {0};
    tiny_run_make(&r, qwen2vl);
    r.options.level.offload = r.scratch.folder;
    RunResult whole = run_whole(&r, NULL);
    snprintf(path, sizeof path, "%s/step-4/square.safetensors", r.states);
    file_read(&text, path, 1 << 24, &r.error);
    text.data[text.count - 5] ^= 4;
    file_replace(path, text.data, text.count, &r.error);
    tiny_run_restart(&r);
    Watched w = {0};
    TrainWatch watch = watch_of(&w);
    tiny_run_train(&r, &watch);
    tiny_run_must(&r);
    assert_int_equal(w.steps, 1); /* from the state of step 3 on */
    RunResult again = run_result(&r);
    run_result_same(&whole, &again);
    run_result_free(&whole);
    run_result_free(&again);
    text_free(&text);
    tiny_run_free(&r);
}

/* Masters and gradients alone are in memory, and the estimate knows it. */
static void in_half_of_the_memory(void **state)
{
    (void)state;
    TinyRun r;
    Optimiser a;
    tiny_run_make(&r, qwen2vl);
    const LevelConfig *o = &r.options.level;
    const int64_t in_memory = estimate_state(&r.vlm, o);
    r.options.level.offload = r.scratch.folder;
    optimiser_init(&a, &r.vlm, o, &r.error);
    tiny_run_must(&r);
    for (int64_t i = 0; i < a.count; i++)
        assert_true(!a.trained[i].mean && !a.trained[i].square && a.trained[i].p->grad);
    assert_int_equal(estimate_state(&r.vlm, o), in_memory / 2);
    optimiser_free(&a);
    tiny_run_free(&r);
}

int main(void)
{
    const FamilyTest families[] = {{"moments in files", full}, {"adapters, moments in files", lora}};
    const struct CMUnitTest tests[] = {cmocka_unit_test(in_pieces), cmocka_unit_test(damaged_state),
                                       cmocka_unit_test(in_half_of_the_memory)};
    int failed = run_family_tests(EACH_FAMILY, families, sizeof families / sizeof *families);
    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
