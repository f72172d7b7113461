/* What the training loop promises besides its numbers: the same bits however it runs, logs, states,
 * the order of samples, and stopping. */
#include "fixture/model_family.h"
#include "fixture/tiny_run.h"

#include "base/file.h"
#include "base/parallel.h"
#include "base/random.h"
#include "train/estimate.h"

#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char qwen2vl[] = "weights/tiny-qwen2vl-a";
enum { MAX_STEPS = 10 };

/* What a run ended with. */
typedef struct {
    float *values; /* owned */
    int64_t count;
    char *metrics; /* owned */
} Result;

static Result result_of(const TinyRun *r)
{
    Result result = {.metrics = tiny_run_read(r->metrics)};
    result.values = tiny_run_values(r, &result.count);
    return result;
}

static void result_free(Result *r)
{
    free(r->values);
    free(r->metrics);
}

/* A whole run from the start. */
static Result run(TinyRun *r, const TrainWatch *watch)
{
    state_remove_all(r->states, &r->error);
    tiny_run_restart(r);
    tiny_run_train(r, watch);
    tiny_run_must(r);
    return result_of(r);
}

static void assert_same(const Result *a, const Result *b)
{
    assert_string_equal(a->metrics, b->metrics);
    assert_int_equal(a->count, b->count);
    assert_memory_equal(a->values, b->values, (size_t)a->count * sizeof *a->values);
}

static bool has_state(const TinyRun *r, int step)
{
    char path[400];
    snprintf(path, sizeof path, "%s/step-%d/state.json", r->states, step);
    return file_exists(path);
}

/* ------------------------------------------------------------------------------------ watching */

typedef struct {
    TrainProgress step[MAX_STEPS];
    int steps;
    int stop_after; /* steps; 0: never */
    volatile int stop;
} Watched;

static void note_step(void *user, const TrainProgress *p)
{
    Watched *w = user;
    assert_true(w->steps < MAX_STEPS);
    w->step[w->steps++] = *p;
    if (w->steps == w->stop_after)
        w->stop = 1;
}

static TrainWatch watch_of(Watched *w)
{
    return (TrainWatch){.stop = &w->stop, .progress = note_step, .user = w};
}

/* --------------------------------------------------------------------------------------- tests */

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
    Result a = run(&r, &watch_kept);
    r.options.memory = estimate_state(&r.vlm, &r.options.level) + 1; /* nothing is left for passes */
    Result b = run(&r, &watch_again);
    assert_same(&a, &b);
    int last = kept.steps - 1;
    assert_int_equal(again.steps, kept.steps);
    if (!(again.step[last].bytes < kept.step[last].bytes))
        fail_msg(
            "with no memory to spare a pass takes %lld bytes, with any amount %lld: nothing was recomputed; "
            "read must_recompute in src/train/loop.c",
            (long long)again.step[last].bytes, (long long)kept.step[last].bytes);
    result_free(&a);
    result_free(&b);
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
    Result a = run(&r, NULL);
    parallel_set_threads(4);
    Result b = run(&r, NULL);
    assert_same(&a, &b);
    parallel_set_threads(0);
    result_free(&a);
    result_free(&b);
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

/* Stopped after each number of steps and started anew, as a new process would be. */
static void stopped_and_resumed(void **state, bool lora)
{
    TinyRun r;
    make(&r, state, lora);
    Result whole = run(&r, NULL);
    for (int steps = 1; steps < 4; steps++) {
        Watched w = {.stop_after = steps};
        Watched rest = {0};
        TrainWatch watch = watch_of(&w);
        TrainWatch watch_rest = watch_of(&rest);
        state_remove_all(r.states, &r.error);
        tiny_run_restart(&r);
        assert_int_equal(tiny_run_train(&r, &watch), INTERRUPTED);
        assert_true(has_state(&r, steps));
        tiny_run_restart(&r);
        tiny_run_train(&r, &watch_rest);
        tiny_run_must(&r);
        assert_int_equal(rest.steps, 4 - steps);
        assert_int_equal(rest.step[0].step, steps + 1);
        Result parts = result_of(&r);
        assert_same(&whole, &parts);
        result_free(&parts);
    }
    result_free(&whole);
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
    Result a = run(&r, NULL);
    r.options.level.lora_dropout = 0;
    Result b = run(&r, NULL);
    assert_string_not_equal(a.metrics, b.metrics);
    r.options.level.lora_dropout = 0.25;
    Result c = run(&r, NULL);
    assert_same(&a, &c);
    result_free(&a);
    result_free(&b);
    result_free(&c);
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
    Result a = run(&r, NULL);
    for (int step = 0; step <= 4; step++)
        assert_true(has_state(&r, step) == (step == 2 || step == 4));
    result_free(&a);
    r.options.level.save_every = 100;
    a = run(&r, NULL);
    for (int step = 0; step <= 4; step++)
        assert_true(has_state(&r, step) == (step == 4));
    result_free(&a);
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
        assert_true(has_state(&r, step) == (step == 3 || step == 4));
    tiny_run_free(&r);
}

/* The number after "key": in a line. */
static double number_in(const char *line, const char *key)
{
    char name[40];
    snprintf(name, sizeof name, "\"%s\": ", key);
    const char *at = strstr(line, name);
    assert_non_null(at);
    return strtod(at + strlen(name), NULL);
}

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
    Result a = run(&r, &watch);
    char *timings = tiny_run_read(r.timings);
    assert_int_equal(w.steps, 4);
    const char *line = a.metrics;
    const char *time = timings;
    for (int i = 0; i < w.steps; i++) {
        const TrainProgress *p = w.step + i;
        assert_true(p->step == i + 1 && p->steps == 4);
        assert_true((int)number_in(line, "step") == i + 1 && (int)number_in(time, "step") == i + 1);
        assert_int_equal((int)number_in(line, "epoch"), i / 2 + 1);
        assert_true(near(number_in(line, "loss"), p->loss) && p->loss > 0);
        assert_true((int64_t)number_in(line, "tokens") == p->tokens && p->tokens > 0);
        double seconds = number_in(time, "seconds");
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
    result_free(&a);
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
    Result shuffled = run(&r, NULL);
    r.options.level.shuffle = false;
    Result given = run(&r, NULL);
    assert_string_not_equal(shuffled.metrics, given.metrics);
    random_permutation(order, TINY_PAIRS, r.options.seed, 0);
    memcpy(pair, r.pair, sizeof pair);
    for (int i = 0; i < TINY_PAIRS; i++)
        r.pair[i] = pair[order[i]];
    Result again = run(&r, NULL);
    assert_same(&shuffled, &again);
    result_free(&shuffled);
    result_free(&given);
    result_free(&again);
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
    Result a = run(&r, &watch);
    assert_int_equal(w.steps, 8);
    bool other = false;
    for (int i = 2; i < 8; i += 2)
        other |= w.step[i].tokens != w.step[0].tokens;
    assert_true(other);
    result_free(&a);
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
        Result a = run(&r, NULL);
        int64_t at = 0;
        for (int64_t i = 0; i < r.vlm.checkpoint.params; i++) {
            const Param *p = r.vlm.checkpoint.param[i];
            bool same = !memcmp(before + at, a.values + at, (size_t)p->count * sizeof *before);
            if (same != (p->unused || p->part == (Part)part))
                fail_msg("part %d frozen: %s %s", part, p->name, same ? "has not moved" : "has moved");
            at += p->count;
        }
        free(before);
        result_free(&a);
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
    make(&r, state, false);
    r.options.memory = INT64_C(1) << 50;
    r.options.level.clip = 0;
    r.options.level.vision_learning_rate = 0;
    Result a = run(&r, &watch_with);
    r.options.level.freeze = 1u << PART_VISION;
    Result b = run(&r, &watch_without);
    assert_int_equal(a.count, b.count);
    assert_memory_equal(a.values, b.values, (size_t)a.count * sizeof *a.values);
    assert_true(without.step[3].bytes < with.step[3].bytes);
    result_free(&a);
    result_free(&b);
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
    Result result = run(&r, &watch);
    for (int i = 0; i < w.steps; i++) {
        loss[i] = w.step[i].loss;
        tokens[i] = w.step[i].tokens;
    }
    first_pairs(result.metrics, pair);
    result_free(&result);
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
    tiny_run_make(&r, qwen2vl);
    r.options.pictures = (PictureOptions){.min_pixels = 20000, .max_pixels = 30000};
    Result a = run(&r, &watch_plain);
    r.options.level.chat_newline = true;
    Result b = run(&r, &watch_newline);
    r.options.pictures = (PictureOptions){.min_pixels = 3000, .max_pixels = 6000};
    Result c = run(&r, &watch_small);
    for (int i = 0; i < plain.steps; i++) {
        assert_int_equal(newline.step[i].tokens, plain.step[i].tokens + 2);
        assert_true(2 * small.step[i].bytes < newline.step[i].bytes);
    }
    result_free(&a);
    result_free(&b);
    result_free(&c);
    tiny_run_free(&r);
}

static Param *trainable(TinyRun *r, const char *name)
{
    const Checkpoint *c = &r->vlm.checkpoint;
    for (int64_t i = 0; i < c->params; i++)
        if (!strcmp(c->param[i]->name, name)) {
            checkpoint_make_trainable(c->param[i], &r->error);
            tiny_run_must(r);
            return c->param[i];
        }
    fail_msg("%s has no %s", r->checkpoint, name);
    return NULL;
}

/* Fails in step 1, with no update and no line; the message has `text`. */
static void assert_not_finite(TinyRun *r, const char *text)
{
    const Checkpoint *c = &r->vlm.checkpoint;
    int64_t count;
    for (int64_t i = 0; i < c->params; i++)
        checkpoint_make_trainable(c->param[i], &r->error);
    float *before = tiny_run_values(r, &count);
    assert_int_equal(tiny_run_train(r, NULL), NOT_FINITE);
    assert_non_null(strstr(r->error.text, "training step 1:"));
    assert_non_null(strstr(r->error.text, "pairs of the step: first second."));
    if (!strstr(r->error.text, text))
        fail_msg("wanted \"%s\" in: %s", text, r->error.text);
    char *metrics = tiny_run_read(r->metrics);
    assert_string_equal(metrics, "");
    float *after = tiny_run_values(r, &count);
    assert_memory_equal(before, after, (size_t)count * sizeof *before);
    free(metrics);
    free(before);
    free(after);
}

/* A weight that is no number: so is the loss. */
static void loss_not_finite(void **state)
{
    (void)state;
    TinyRun r;
    tiny_run_make(&r, qwen2vl);
    trainable(&r, "model.norm.weight")->master[0] = NAN;
    assert_not_finite(&r, "loss nan, gradient norm nan; first gradient that is not finite: model.");
    tiny_run_free(&r);
}

static void fill(Param *p, float value)
{
    for (int64_t i = 0; i < p->count; i++)
        p->master[i] = value;
}

/* A finite loss whose gradient overflows: the merger's second product has huge weights, the first
 * none, so what is multiplied by them is 0. */
static void gradient_not_finite(void **state)
{
    (void)state;
    TinyRun r;
    tiny_run_make(&r, qwen2vl);
    fill(trainable(&r, "visual.merger.mlp.0.weight"), 0);
    fill(trainable(&r, "visual.merger.mlp.0.bias"), 0);
    fill(trainable(&r, "visual.merger.mlp.2.weight"), 3e38f);
    assert_not_finite(&r, "first gradient that is not finite: visual.");
    assert_null(strstr(r.error.text, "loss nan"));
    assert_null(strstr(r.error.text, "loss inf"));
    tiny_run_free(&r);
}

/* A message holds as many of a step's pairs as fit, each cut to its first characters. */
static void many_pairs_in_a_message(void **state)
{
    (void)state;
    enum { MANY = 40 };
    static const char id[] = "an-id-of-more-than-twenty-characters";
    TinyRun r;
    Question pair[MANY];
    tiny_run_make(&r, qwen2vl);
    for (int i = 0; i < MANY; i++) {
        pair[i] = r.pair[0];
        pair[i].id = id;
    }
    r.options.level.batch = MANY;
    trainable(&r, "model.norm.weight")->master[0] = NAN;
    train(&r.vlm, pair, MANY, &r.options, &r.files, NULL, &r.error);
    assert_int_equal(r.error.status, NOT_FINITE);
    int named = 0;
    for (const char *at = r.error.text; (at = strstr(at, "an-id-of-more-than-t")); at++)
        named++;
    assert_true(named > 5 && named < MANY);
    assert_null(strstr(r.error.text, "than-tw"));
    assert_non_null(strstr(r.error.text, "than-t. No update was made; lower level.learning_rate"));
    tiny_run_free(&r);
}

/* A pair that cannot be loaded is named. */
static void bad_pair_is_named(void **state)
{
    (void)state;
    TinyRun r;
    const char *missing = "golden/model/none.png";
    tiny_run_make(&r, qwen2vl);
    r.pair[2].images = &missing;
    assert_int_equal(tiny_run_train(&r, NULL), BAD_INPUT);
    assert_non_null(strstr(r.error.text, "pair third: golden/model/none.png"));
    tiny_run_free(&r);
}

static void nothing_to_train(void **state)
{
    (void)state;
    TinyRun r;
    tiny_run_make(&r, qwen2vl);
    r.options.level.freeze = 7;
    assert_int_equal(tiny_run_train(&r, NULL), BAD_USAGE);
    assert_false(file_exists(r.metrics));
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
                                   {"dropout by counter", dropout_by_counter},
                                   {"frozen parts stay", frozen_parts_stay},
                                   {"a frozen tower keeps nothing", frozen_tower_keeps_nothing}};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states_are_saved_when_due),   cmocka_unit_test(states_are_saved_by_time),
        cmocka_unit_test(logs_say_what_happened),      cmocka_unit_test(shuffled_by_seed),
        cmocka_unit_test(each_epoch_is_shuffled_anew), cmocka_unit_test(losses_are_means),
        cmocka_unit_test(options_reach_the_samples),   cmocka_unit_test(loss_not_finite),
        cmocka_unit_test(gradient_not_finite),         cmocka_unit_test(many_pairs_in_a_message),
        cmocka_unit_test(bad_pair_is_named),           cmocka_unit_test(nothing_to_train)};
    int failed = run_family_tests(EACH_FAMILY, families, sizeof families / sizeof *families);
    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
