/* The bootstrap's intervals: src/data/bootstrap.c, by hand where there is little to draw, and against numpy's
 * (golden/data/bootstrap.json by ref/golden_bootstrap.py). */
#include "data/bootstrap.h"

#include "base/json.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LISTS = 3, VALUES = 6 };

static Interval interval_of(const double *list, int64_t count)
{
    static double mean[BOOTSTRAP_DRAWS];
    Error e = {0};
    assert_int_equal(bootstrap_means(mean, &list, 1, count, BOOTSTRAP_DRAWS, 1, &e), OK);
    return bootstrap_interval(mean, BOOTSTRAP_DRAWS);
}

static void expect(Interval got, double low, double high)
{
    if (!(fabs(got.low - low) <= 1e-12 && fabs(got.high - high) <= 1e-12))
        fail_msg("%.15g to %.15g, wanted %.15g to %.15g; read src/data/bootstrap.c", got.low, got.high, low,
                 high);
}

static void test_tiny(void **state)
{
    (void)state;
    expect(interval_of((const double[]){0.25}, 1), 0.25, 0.25);
    expect(interval_of((const double[]){0.5, 0.5, 0.5}, 3), 0.5, 0.5);
    expect(interval_of((const double[]){0, 1}, 2), 0, 1);   /* a quarter of the draws is 0, a quarter 1 */
    expect(interval_of((const double[]){NAN, 1}, 2), 0, 1); /* a draw without a number counts 0 */
    expect(interval_of((const double[]){NAN, 0.3, NAN, NAN, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3}, 10), 0.3, 0.3);
    expect(bootstrap_interval((double[]){3, 1, 2}, 3), 1.05, 2.95);
    expect(bootstrap_interval((double[]){7}, 1), 7, 7);
}

/* One of the six values of a draw: three means, teacher - student, aligned - student, share closed. */
static double value_of(const double *mean, int64_t draws, int64_t d, int value)
{
    const double s = mean[d];
    const double a = mean[draws + d];
    const double t = mean[2 * draws + d];
    const double all[VALUES] = {s, a, t, t - s, a - s, (a - s) / (t - s)};
    return all[value];
}

static void intervals_of(Interval *out, double *const *list, int64_t count, int64_t draws, uint64_t seed)
{
    Error e = {0};
    double *mean = calloc((size_t)(LISTS * draws), sizeof *mean);
    double *value = calloc((size_t)draws, sizeof *value);
    assert_true(mean && value);
    assert_int_equal(bootstrap_means(mean, (const double *const *)list, LISTS, count, draws, seed, &e), OK);
    for (int v = 0; v < VALUES; v++) {
        for (int64_t d = 0; d < draws; d++)
            value[d] = value_of(mean, draws, d, v);
        out[v] = bootstrap_interval(value, draws);
    }
    free(mean);
    free(value);
}

static double number_at(const json_t *root, const char *name, int value, size_t end)
{
    return json_number_value(json_array_get(json_array_get(json_object_get(root, name), (size_t)value), end));
}

static void test_numpy(void **state)
{
    (void)state;
    Error e = {0};
    Json j = {0};
    Interval few[VALUES];
    Interval many[VALUES];
    double *list[LISTS];
    assert_int_equal(json_open(&j, "golden/data/bootstrap.json", 1 << 20, &e), OK);
    const json_t *lists = json_object_get(j.root, "lists");
    const size_t count = json_array_size(json_array_get(lists, 0));
    assert_true(count > 100);
    for (size_t i = 0; i < LISTS; i++) {
        list[i] = calloc(count, sizeof **list);
        for (size_t k = 0; k < count; k++) {
            const json_t *x = json_array_get(json_array_get(lists, i), k);
            list[i][k] = json_is_null(x) ? NAN : json_number_value(x);
        }
    }
    const uint64_t seed = (uint64_t)json_integer_value(json_object_get(j.root, "seed"));
    intervals_of(few, list, (int64_t)count, json_integer_value(json_object_get(j.root, "few")), seed);
    intervals_of(many, list, (int64_t)count, BOOTSTRAP_DRAWS, seed);
    for (int v = 0; v < VALUES; v++) {
        const double ends[] = {many[v].low, many[v].high};
        expect(few[v], number_at(j.root, "exact", v, 0), number_at(j.root, "exact", v, 1));
        for (size_t end = 0; end < 2; end++) {
            const double error = number_at(j.root, "error", v, end);
            if (!(error > 0 && fabs(ends[end] - number_at(j.root, "mean", v, end)) <= 4 * error))
                fail_msg("value %d: %.9g, numpy %.9g with an error of %.3g; read src/data/bootstrap.c", v,
                         ends[end], number_at(j.root, "mean", v, end), error);
        }
    }
    for (size_t i = 0; i < LISTS; i++)
        free(list[i]);
    json_close(&j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_tiny), cmocka_unit_test(test_numpy)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
