/* What the training loop promises besides its numbers: its logs, the order of samples, parts that are frozen,
 * losses that are means. */
#include "fixture/model_family.h"
#include "fixture/watched_run.h"

#include "base/parallel.h"
#include "base/random.h"

#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char qwen2vl[] = "weights/tiny-qwen2vl-a";

static bool near(double a, double b)
{
    return fabs(a - b) <= 1e-8 * fabs(b);
}

/* metrics.jsonl and the watcher are told the same; epochs and steps count from 1. */
static void logs_say_what_happened(void **state)
{
    (void)state;
    TinyRun r;
    Watched w = {0};
    TrainWatch watch = watch_of(&w);
    tiny_run_make(&r, qwen2vl);
    RunResult a = run_whole(&r, &watch);
    char *timings = tiny_run_read(r.timings);
    assert_int_equal(w.steps, 4);
    const char *line = a.metrics;
    const char *time = timings;
    for (int i = 0; i < w.steps; i++) {
        const TrainProgress *p = w.step + i;
        assert_true(p->step == i + 1 && p->steps == 4);
        assert_true((int)run_number(line, "step") == i + 1 && (int)run_number(time, "step") == i + 1);
        assert_int_equal((int)run_number(line, "epoch"), i / 2 + 1);
        assert_true(near(run_number(line, "loss"), p->loss) && p->loss > 0);
        assert_true((int64_t)run_number(line, "tokens") == p->tokens && p->tokens > 0);
        double seconds = run_number(time, "seconds");
        assert_true(seconds >= 0 && seconds < 1000);
        line = strchr(line, '\n') + 1;
        time = strchr(time, '\n') + 1;
    }
    assert_true(!*line && !*time);
    /* the second epoch has the samples of the first, and the memory of one pass serves the next */
    assert_true(w.step[2].tokens == w.step[0].tokens && w.step[3].bytes == w.step[1].bytes);
    for (int64_t i = 0; i < r.vlm.checkpoint.params; i++)
        assert_null(r.vlm.checkpoint.param[i]->grad);
    free(timings);
    run_result_free(&a);
    tiny_run_free(&r);
}

/* Shuffled samples are the samples in the order of random_permutation. */
static void shuffled_by_seed(void **state)
{
    (void)state;
    TinyRun r;
    int64_t order[TINY_PAIRS] = {0, 1, 2, 3};
    Question pair[TINY_PAIRS];
    tiny_run_make(&r, qwen2vl);
    r.options.level.epochs = 1;
    r.options.level.shuffle = true;
    r.options.seed = 2; /* other pairs come first in epoch 0 than in epoch 1 */
    RunResult shuffled = run_whole(&r, NULL);
    r.options.level.shuffle = false;
    RunResult given = run_whole(&r, NULL);
    assert_string_not_equal(shuffled.metrics, given.metrics);
    random_permutation(order, TINY_PAIRS, r.options.seed, 0);
    memcpy(pair, r.pair, sizeof pair);
    for (int i = 0; i < TINY_PAIRS; i++)
        r.pair[i] = pair[order[i]];
    RunResult again = run_whole(&r, NULL);
    run_result_same(&shuffled, &again);
    run_result_free(&shuffled);
    run_result_free(&given);
    run_result_free(&again);
    tiny_run_free(&r);
}

/* Each epoch has an order of its own: four epochs of one step each see the same samples, but in
 * passes of two they stand beside others. */
static void each_epoch_is_shuffled_anew(void **state)
{
    (void)state;
    TinyRun r;
    Watched w = {0};
    TrainWatch watch = watch_of(&w);
    tiny_run_make(&r, qwen2vl);
    r.options.level.epochs = 4;
    r.options.level.shuffle = true;
    RunResult a = run_whole(&r, &watch);
    assert_int_equal(w.steps, 8);
    bool other = false;
    for (int i = 2; i < 8; i += 2)
        other |= w.step[i].tokens != w.step[0].tokens;
    assert_true(other);
    run_result_free(&a);
    tiny_run_free(&r);
}

/* What is frozen keeps its values, and what is no part of the computation; everything else moves. */
static void frozen_parts_stay(void **state)
{
    TinyRun r;
    for (int part = 0; part < 3; part++) {
        tiny_run_make(&r, ((const FamilyGolden *)*state)->family->single);
        int64_t count;
        float *before = tiny_run_values(&r, &count);
        r.options.level.freeze = 1u << part;
        RunResult a = run_whole(&r, NULL);
        int64_t at = 0;
        for (int64_t i = 0; i < r.vlm.checkpoint.params; i++) {
            const Param *p = r.vlm.checkpoint.param[i];
            bool same = !memcmp(before + at, a.values + at, (size_t)p->count * sizeof *before);
            if (same != (p->unused || p->part == (Part)part))
                fail_msg("part %d frozen: %s %s", part, p->name, same ? "has not moved" : "has moved");
            at += p->count;
        }
        free(before);
        run_result_free(&a);
        tiny_run_free(&r);
    }
}

/* A frozen tower keeps nothing for a backward pass, and what is trained gets the same gradients: the same
 * bits as when the tower is trained at a rate of 0. */
static void frozen_tower_keeps_nothing(void **state)
{
    TinyRun r;
    Watched with = {0};
    Watched without = {0};
    TrainWatch watch_with = watch_of(&with);
    TrainWatch watch_without = watch_of(&without);
    tiny_run_make(&r, ((const FamilyGolden *)*state)->family->single);
    r.options.memory = INT64_C(1) << 50;
    r.options.level.clip = 0;
    r.options.level.vision_learning_rate = 0;
    RunResult a = run_whole(&r, &watch_with);
    r.options.level.freeze = 1u << PART_VISION;
    RunResult b = run_whole(&r, &watch_without);
    assert_int_equal(a.count, b.count);
    assert_memory_equal(a.values, b.values, (size_t)a.count * sizeof *a.values);
    assert_true(without.step[3].bytes < with.step[3].bytes);
    run_result_free(&a);
    run_result_free(&b);
    tiny_run_free(&r);
}

/* The losses of the first three pairs, in the order of training, as metrics.jsonl has them. */
static void first_pairs(const char *metrics, double pair[3])
{
    const char *p = metrics;
    for (int n = 0; n < 3; n++) {
        const char *object = strstr(p, "\"pairs\": {");
        const char *comma = strstr(p, ", \"");
        p = n && comma && comma < strchr(p, '\n') ? comma : object; /* the next pair of the step, or step */
        assert_non_null(p);
        p = strstr(p + (p == object ? 10 : 0), ": ") + 2;
        pair[n] = strtod(p, NULL);
    }
}

/* The losses that the steps of three samples report when nothing is learned. */
static int losses(double loss[MAX_STEPS], int64_t tokens[MAX_STEPS], double pair[3], int64_t batch,
                  int64_t micro_batch, int kind)
{
    TinyRun r;
    Watched w = {0};
    TrainWatch watch = watch_of(&w);
    tiny_run_make(&r, qwen2vl);
    LevelConfig *level = &r.options.level;
    r.pairs = 3;
    level->epochs = 2;
    level->batch = batch;
    level->micro_batch = micro_batch;
    level->loss = kind;
    level->learning_rate = level->vision_learning_rate = level->merger_learning_rate = 0;
    RunResult result = run_whole(&r, &watch);
    for (int i = 0; i < w.steps; i++) {
        loss[i] = w.step[i].loss;
        tokens[i] = w.step[i].tokens;
    }
    first_pairs(result.metrics, pair);
    run_result_free(&result);
    tiny_run_free(&r);
    return w.steps;
}

/* Steps of two samples, of which an epoch's third is left over, against each sample's own loss. */
static void losses_are_means(void **state)
{
    (void)state;
    static const struct {
        int64_t micro_batch;
        int kind;
        bool per_sample, halved; /* the mean of the samples' means; the leftover counts as one of two */
    } cases[] = {{2, LOSS_MICRO_BATCH, false, false},
                 {1, LOSS_MICRO_BATCH, true, true},
                 {2, LOSS_TOKEN, false, false},
                 {1, LOSS_TOKEN, false, false}};
    double own[MAX_STEPS];
    double loss[MAX_STEPS];
    int64_t n[MAX_STEPS];
    int64_t tokens[MAX_STEPS];
    double pair[3];
    assert_int_equal(losses(own, n, pair, 1, 1, LOSS_TOKEN), 6);
    assert_true(n[0] != n[1]);
    double by_sample = (own[0] + own[1]) / 2;
    double by_token = (own[0] * (double)n[0] + own[1] * (double)n[1]) / (double)(n[0] + n[1]);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int steps = losses(loss, tokens, pair, 2, cases[i].micro_batch, cases[i].kind);
        assert_true(steps >= 2);
        assert_true(tokens[0] == n[0] + n[1] && tokens[1] == n[2]);
        assert_true(fabs(loss[0] - (cases[i].per_sample ? by_sample : by_token)) < 1e-6);
        assert_true(fabs(loss[1] - (cases[i].halved ? own[2] / 2 : own[2])) < 1e-6);
        for (int k = 0; k < 3; k++)                     /* whatever the mean, a pair's own loss is its own */
            assert_true(fabs(pair[k] - own[k]) < 1e-5); /* of about 10, in a batch of another size */
    }
}

/* A line end more in the chat text is a label more for each sample; smaller pictures take less
 * memory. */
static void options_reach_the_samples(void **state)
{
    (void)state;
    TinyRun r;
    Watched plain = {0};
    Watched newline = {0};
    Watched small = {0};
    TrainWatch watch_plain = watch_of(&plain);
    TrainWatch watch_newline = watch_of(&newline);
    TrainWatch watch_small = watch_of(&small);
    parallel_set_threads(1); /* what each takes of its own would hide it */
    tiny_run_make(&r, qwen2vl);
    r.options.pictures = (PictureOptions){.min_pixels = 20000, .max_pixels = 30000};
    RunResult a = run_whole(&r, &watch_plain);
    r.options.level.chat_newline = true;
    RunResult b = run_whole(&r, &watch_newline);
    r.options.pictures = (PictureOptions){.min_pixels = 3000, .max_pixels = 6000};
    RunResult c = run_whole(&r, &watch_small);
    for (int i = 0; i < plain.steps; i++) {
        assert_int_equal(newline.step[i].tokens, plain.step[i].tokens + 2);
        assert_true(2 * small.step[i].bytes < newline.step[i].bytes);
    }
    parallel_set_threads(0);
    run_result_free(&a);
    run_result_free(&b);
    run_result_free(&c);
    tiny_run_free(&r);
}

int main(void)
{
    const FamilyTest families[] = {{"frozen parts stay", frozen_parts_stay},
                                   {"a frozen tower keeps nothing", frozen_tower_keeps_nothing}};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logs_say_what_happened), cmocka_unit_test(shuffled_by_seed),
        cmocka_unit_test(each_epoch_is_shuffled_anew), cmocka_unit_test(losses_are_means),
        cmocka_unit_test(options_reach_the_samples)};
    int failed = run_family_tests(EACH_FAMILY, families, sizeof families / sizeof *families);
    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
