/* Steps, learning rates and the pairs of each step against what transformers' Trainer does. */
#include "fixture/golden.h"
#include "fixture/must.h"

#include "train/schedule.h"

#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

/* The pairs of step s, which the trainer makes in micro-batches, must be `first` and the ones
 * that follow it. */
static void check_pairs(const json_t *micro_batches, const LevelConfig *o, int64_t count, int64_t s)
{
    StepSamples now = schedule_samples(o, count, s);
    int64_t seen = 0;
    for (size_t m = 0; m < json_array_size(micro_batches); m++) {
        const json_t *list = json_array_get(micro_batches, m);
        assert_true((int64_t)json_array_size(list) <= o->micro_batch);
        for (size_t i = 0; i < json_array_size(list); i++) {
            assert_int_equal(json_integer_value(json_array_get(list, i)), now.first + seen);
            seen++;
        }
    }
    assert_int_equal(seen, now.count);
}

static void as_the_trainer(void **state)
{
    (void)state;
    Json j;
    Error e = {0};
    json_open(&j, "golden/train/schedule.json", 1 << 20, &e);
    must(&e);
    assert_int_equal(json_array_size(j.root), 10);
    for (size_t i = 0; i < json_array_size(j.root); i++) {
        const json_t *c = json_array_get(j.root, i);
        const json_t *steps = json_object_get(c, "steps");
        const char *schedule = row_string(c, "schedule");
        const LevelConfig o = {.batch = row_integer(c, "batch"),
                               .micro_batch = row_integer(c, "micro_batch"),
                               .epochs = row_integer(c, "epochs"),
                               .warmup_ratio = row_double(c, "warmup_ratio"),
                               .schedule = !strcmp(schedule, "cosine")   ? SCHEDULE_COSINE
                                           : !strcmp(schedule, "linear") ? SCHEDULE_LINEAR
                                                                         : SCHEDULE_CONSTANT};
        int64_t count = row_integer(c, "count");
        int64_t total = schedule_steps(&o, count);
        assert_int_equal(total, json_array_size(steps));
        for (int64_t s = 0; s < total; s++) {
            const json_t *step = json_array_get(steps, (size_t)s);
            double wanted = row_double(step, "lr");
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
