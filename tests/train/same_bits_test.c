/* Training gives the same bits however it runs: recomputed, with any number of threads, stopped and resumed;
 * and when its states are saved. */
#include "fixture/model_family.h"
#include "fixture/watched_run.h"

#include "base/file.h"
#include "base/parallel.h"
#include "train/estimate.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>

#include <cmocka.h>

static const char qwen2vl[] = "weights/tiny-qwen2vl-a";

/* A run in full, or of adapters with dropout. */
static void make(TinyRun *r, void **state, bool lora)
{
    tiny_run_make(r, ((const FamilyGolden *)*state)->family->single);
    if (lora)
        tiny_run_lora(r);
}

static void recomputed_or_kept(void **state, bool lora)
{
    TinyRun r;
    Watched kept = {0};
    Watched again = {0};
    TrainWatch watch_kept = watch_of(&kept);
    TrainWatch watch_again = watch_of(&again);
    make(&r, state, lora);
    r.options.memory = INT64_C(1) << 50;
    RunResult a = run_whole(&r, &watch_kept);
    r.options.memory = estimate_state(&r.vlm, &r.options.level) + 1; /* nothing is left for passes */
    RunResult b = run_whole(&r, &watch_again);
    run_result_same(&a, &b);
    int last = kept.steps - 1;
    assert_int_equal(again.steps, kept.steps);
    if (!(again.step[last].bytes < kept.step[last].bytes))
        fail_msg(
            "with no memory to spare a pass takes %lld bytes, with any amount %lld: nothing was recomputed; "
            "read fit_pass in src/train/loop.c",
            (long long)again.step[last].bytes, (long long)kept.step[last].bytes);
    run_result_free(&a);
    run_result_free(&b);
    tiny_run_free(&r);
}

/* Blocks that recompute take less memory and give the same bits. */
static void full_recomputed_or_kept(void **state)
{
    recomputed_or_kept(state, false);
}

static void lora_recomputed_or_kept(void **state)
{
    recomputed_or_kept(state, true);
}

static void any_number_of_threads(void **state, bool lora)
{
    TinyRun r;
    make(&r, state, lora);
    parallel_set_threads(1);
    RunResult a = run_whole(&r, NULL);
    parallel_set_threads(4);
    RunResult b = run_whole(&r, NULL);
    run_result_same(&a, &b);
    parallel_set_threads(0);
    run_result_free(&a);
    run_result_free(&b);
    tiny_run_free(&r);
}

static void full_with_any_number_of_threads(void **state)
{
    any_number_of_threads(state, false);
}

static void lora_with_any_number_of_threads(void **state)
{
    any_number_of_threads(state, true);
}

static void stopped_and_resumed(void **state, bool lora)
{
    TinyRun r;
    make(&r, state, lora);
    RunResult whole = run_whole(&r, NULL);
    run_in_parts(&r, &whole);
    run_result_free(&whole);
    tiny_run_free(&r);
}

static void full_stopped_and_resumed(void **state)
{
    stopped_and_resumed(state, false);
}

static void lora_stopped_and_resumed(void **state)
{
    stopped_and_resumed(state, true);
}

/* What dropout leaves out is decided by seed, step and sample. */
static void dropout_by_counter(void **state)
{
    TinyRun r;
    make(&r, state, true);
    RunResult a = run_whole(&r, NULL);
    r.options.level.lora_dropout = 0;
    RunResult b = run_whole(&r, NULL);
    assert_string_not_equal(a.metrics, b.metrics);
    r.options.level.lora_dropout = 0.25;
    RunResult c = run_whole(&r, NULL);
    run_result_same(&a, &c);
    run_result_free(&a);
    run_result_free(&b);
    run_result_free(&c);
    tiny_run_free(&r);
}

/* A state after every second step and the last; none at all where none are wanted, even when the run
 * is stopped. */
static void states_are_saved_when_due(void **state)
{
    (void)state;
    TinyRun r;
    Watched w = {.stop_after = 3};
    TrainWatch watch = watch_of(&w);
    tiny_run_make(&r, qwen2vl);
    r.options.level.save_every = 2;
    RunResult a = run_whole(&r, NULL);
    for (int step = 0; step <= 4; step++)
        assert_true(run_has_state(&r, step) == (step == 2 || step == 4));
    run_result_free(&a);
    r.options.level.save_every = 100;
    a = run_whole(&r, NULL);
    for (int step = 0; step <= 4; step++)
        assert_true(run_has_state(&r, step) == (step == 4));
    run_result_free(&a);
    r.options.level.save_every = 0;
    state_remove_all(r.states, &r.error);
    tiny_run_restart(&r);
    assert_int_equal(tiny_run_train(&r, &watch), INTERRUPTED);
    assert_false(file_exists(r.states));
    tiny_run_free(&r);
}

/* A clock that goes on by 250 s whenever it is read. */
static double slow_clock(void)
{
    static double seconds = 0;
    seconds += 250;
    return seconds;
}

/* A state that is ten minutes old is followed by another, however many steps lie between: the clock is
 * read at the start, after each step, and after each state. */
static void states_are_saved_by_time(void **state)
{
    (void)state;
    TinyRun r;
    Watched w = {.stop_after = 3};
    TrainWatch watch = watch_of(&w);
    tiny_run_make(&r, qwen2vl);
    r.options.level.save_every = 100;
    watch.clock = slow_clock;
    watch.stop = NULL;
    tiny_run_train(&r, &watch);
    tiny_run_must(&r);
    for (int step = 0; step <= 4; step++)
        assert_true(run_has_state(&r, step) == (step == 3 || step == 4));
    tiny_run_free(&r);
}

int main(void)
{
    const FamilyTest families[] = {{"recomputed or kept", full_recomputed_or_kept},
                                   {"any number of threads", full_with_any_number_of_threads},
                                   {"stopped and resumed", full_stopped_and_resumed},
                                   {"adapters, recomputed or kept", lora_recomputed_or_kept},
                                   {"adapters, any number of threads", lora_with_any_number_of_threads},
                                   {"adapters, stopped and resumed", lora_stopped_and_resumed},
                                   {"dropout by counter", dropout_by_counter}};
    const struct CMUnitTest tests[] = {cmocka_unit_test(states_are_saved_when_due),
                                       cmocka_unit_test(states_are_saved_by_time)};
    int failed = run_family_tests(EACH_FAMILY, families, sizeof families / sizeof *families);
    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
