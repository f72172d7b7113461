/* Steps, learning rates and the pairs of each step against what transformers' Trainer does. */
#include "fixture/golden.h"

#include "train/schedule.h"

#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

static int64_t number(const json_t *o, const char *key)
{
    assert_true(json_is_integer(json_object_get(o, key)));
    return json_integer_value(json_object_get(o, key));
}

/* The pairs of step s, which the trainer makes in micro-batches, must be `first` and the ones
 * that follow it. */
static void check_pairs(const json_t *micro_batches, const LevelConfig *o, int64_t count, int64_t s)
{
    StepSamples now = schedule_samples(o, count, s);
    int64_t seen = 0;
    for (size_t m = 0; m < json_array_size(micro_batches); m++) {
        const json_t *list = json_array_get(micro_batches, m);
        assert_true((int64_t)json_array_size(list) <= o->micro_batch);
        for (size_t i = 0; i < json_array_size(list); i++)
            assert_int_equal(json_integer_value(json_array_get(list, i)), now.first + seen++);
    }
    assert_int_equal(seen, now.count);
}

static void as_the_trainer(void **state)
{
    (void)state;
    Json j;
    Error e = {0};
    assert_int_equal(json_open(&j, "golden/train/schedule.json", 1 << 20, &e), OK);
    assert_int_equal(json_array_size(j.root), 10);
    for (size_t i = 0; i < json_array_size(j.root); i++) {
        const json_t *c = json_array_get(j.root, i), *steps = json_object_get(c, "steps");
        const char *schedule = json_string_value(json_object_get(c, "schedule"));
        const LevelConfig o = {.batch = number(c, "batch"),
                               .micro_batch = number(c, "micro_batch"),
                               .epochs = number(c, "epochs"),
                               .warmup_ratio = json_number_value(json_object_get(c, "warmup_ratio")),
                               .schedule = !strcmp(schedule, "cosine")   ? SCHEDULE_COSINE
                                           : !strcmp(schedule, "linear") ? SCHEDULE_LINEAR
                                                                         : SCHEDULE_CONSTANT};
        int64_t count = number(c, "count"), total = schedule_steps(&o, count);
        assert_int_equal(total, json_array_size(steps));
        for (int64_t s = 0; s < total; s++) {
            const json_t *step = json_array_get(steps, (size_t)s);
            double wanted = json_number_value(json_object_get(step, "lr"));
            assert_true(fabs(schedule_factor(&o, s, total) - wanted) <= 1e-12);
            check_pairs(json_object_get(step, "samples"), &o, count, s);
        }
    }
    json_close(&j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_the_trainer)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
