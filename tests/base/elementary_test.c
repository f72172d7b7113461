/* Our elementary functions against the C library's, in double. */
#define _XOPEN_SOURCE 700

#include "base/elementary.h"
#include "base/erf_table.h"
#include "base/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { TRIALS = 200000 };

static double uniform(uint64_t i, double low, double high)
{
    return low + (high - low) * random_unit(1, 2, i);
}

static void near(double got, double want, double limit, const char *name, double x)
{
    if (!(fabs(got - want) <= limit))
        fail_msg("%s(%.17g) = %.17g, wanted %.17g; read src/base/elementary.c", name, x, got, want);
}

static void test_against_libm(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < TRIALS; i++) {
        double x = uniform(i, -40, 40), positive = exp(uniform(i, -300, 300)), angle = uniform(i, -4e5, 4e5),
               sine, cosine;
        near(exact_exp(x), exp(x), 4e-16 * exp(x), "exp", x);
        near(exact_log(positive), log(positive), 4e-16 * fabs(log(positive)) + 1e-16, "log", positive);
        near(exact_erf(x / 8), erf(x / 8), 3e-15, "erf", x / 8);
        near(exact_tanh(x / 8), tanh(x / 8), 4e-16, "tanh", x / 8);
        near(exact_sigmoid(x), 1 / (1 + exp(-x)), 4e-16, "sigmoid", x);
        near(exact_pow(1e6, -random_unit(3, 4, i)), pow(1e6, -random_unit(3, 4, i)), 3e-15, "pow",
             -random_unit(3, 4, i));
        exact_sincos(angle, &sine, &cosine);
        near(sine, sin(angle), 4e-16, "sin", angle);
        near(cosine, cos(angle), 4e-16, "cos", angle);
    }
}

static void test_ends(void **state)
{
    (void)state;
    near(exact_exp(0), 1, 0, "exp", 0);
    near(exact_exp(-1e9), 0, 0, "exp", -1e9);
    assert_true(isinf(exact_exp(710)) && isnan(exact_exp(NAN)));
    near(exact_erf(0), 0, 0, "erf", 0);
    near(exact_erf(50), 1, 0, "erf", 50);
    near(exact_erf(-50), -1, 0, "erf", -50);
    near(exact_tanh(1e9), 1, 0, "tanh", 1e9);
    near(exact_tanh(-1e9), -1, 0, "tanh", -1e9);
}

/* Nearer than it promises; beyond the table it is exact_erf() itself. */
static void test_erf_table(void **state)
{
    (void)state;
    static const double ends[] = {0,  -0.0,  0.0625, 5.9375,   5.99999,  6,
                                  -6, 1e300, 1e-300, INFINITY, -INFINITY};
    ErfTable t;
    erf_table_make(&t);
    for (uint64_t i = 0; i < TRIALS; i++) {
        const double x = uniform(i, -7, 7);
        near(erf_near(&t, x), exact_erf(x), ERF_NEAR / 4, "erf_near", x);
    }
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        near(erf_near(&t, ends[i]), exact_erf(ends[i]), ERF_NEAR / 4, "erf_near", ends[i]);
    assert_true(isnan(erf_near(&t, NAN)));
}

static void test_permutation(void **state)
{
    (void)state;
    int64_t order[100], again[100], other[100];
    int seen[100] = {0}, moved = 0, differ = 0;
    random_permutation(order, 100, 7, 1);
    random_permutation(again, 100, 7, 1);
    random_permutation(other, 100, 7, 2);
    for (int i = 0; i < 100; i++) {
        seen[order[i]]++;
        moved += order[i] != i;
        differ += order[i] != other[i];
        assert_int_equal(order[i], again[i]);
    }
    for (int i = 0; i < 100; i++)
        assert_int_equal(seen[i], 1);
    assert_true(moved > 80 && differ > 80);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_libm), cmocka_unit_test(test_ends),
                                       cmocka_unit_test(test_erf_table), cmocka_unit_test(test_permutation)};
    return cmocka_run_group_tests_name("base/elementary", tests, NULL, NULL);
}
