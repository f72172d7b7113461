/* AdamW against float64 PyTorch, and the norm and clipping of gradients. */
#include "fixture/golden.h"

#include "train/adamw.h"

#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const char source[] = "src/train/adamw.c";

static void a_hundred_updates(void **state)
{
    (void)state;
    Golden g;
    golden_open(&g, "train/adamw");
    const json_t *rate = json_object_get(g.notes.root, "rate");
    int64_t steps = golden_tensor(&g, "gradient")->dim[0];
    int64_t n = golden_tensor(&g, "gradient")->dim[1];
    float *p = golden_floats(&g, "start");
    float *gradient = golden_floats(&g, "gradient");
    float *m = calloc((size_t)n, sizeof *m);
    float *v = calloc((size_t)n, sizeof *v);
    assert_true(m && v && (int64_t)json_array_size(rate) == steps);
    const LevelConfig o = {.beta1 = golden_number(&g, "beta1"),
                           .beta2 = golden_number(&g, "beta2"),
                           .epsilon = golden_number(&g, "epsilon")};
    bool good = true;
    for (int64_t t = 1; t <= steps; t++) {
        char name[30];
        adamw_update(p, m, v, gradient + (t - 1) * n, n, 1,
                     json_number_value(json_array_get(rate, (size_t)t - 1)),
                     golden_number(&g, "weight_decay"), &o, t);
        snprintf(name, sizeof name, "p.%lld", (long long)t);
        if (golden_has(&g, name))
            good &= golden_close_to(&g, name, p, n, golden_pass_limit, source);
    }
    golden_close(&g);
    free(p);
    free(gradient);
    free(m);
    free(v);
    if (!good)
        fail_msg("read %s", source);
}

/* Without running means an update is -rate * g / (|g| + epsilon). */
static void without_means(void **state)
{
    (void)state;
    const LevelConfig o = {.beta1 = 0, .beta2 = 0, .epsilon = 0.5};
    for (int64_t t = 1; t <= 3; t++) {
        float p[2] = {1, 1};
        float m[2] = {9, 9};
        float v[2] = {9, 9};
        const float g[2] = {1.5f, -0.5f};
        adamw_update(p, m, v, g, 2, 1, 0.25, 0, &o, t);
        assert_true(fabsf(p[0] - 0.8125f) < 1e-6f && fabsf(p[1] - 1.125f) < 1e-6f);
    }
}

static void clipping(void **state)
{
    (void)state;
    assert_true(clip_scale(1e9, 0) >= 1); /* no limit */
    assert_true(clip_scale(0, 1) >= 1 && clip_scale(0.999, 1) >= 1);
    assert_true(clip_scale(0.999, 1) <= 1);
    assert_true(fabs(clip_scale(4, 1) - 0.25) < 1e-6);
    assert_true(fabs(clip_scale(1e-6, 1e-6) - 0.5) < 1e-9); /* PyTorch's 1e-6 */
    assert_true(clip_scale(1, 1) < 1);
}

/* The norm over several parameters; each element counts, also in a parameter of more blocks than
 * there are partial sums. */
static void norm_of_gradients(void **state)
{
    (void)state;
    enum { LARGE = 256 * 65536 + 5 };
    float small[2] = {2, -1};
    float *large = calloc(LARGE, sizeof *large);
    assert_non_null(large);
    Param p[2] = {{.name = "small", .count = 2, .grad = small},
                  {.name = "large", .count = LARGE, .grad = large}};
    Trained trained[2] = {{.p = p}, {.p = p + 1}};
    const Optimiser a = {.trained = trained, .count = 2};
    assert_true(fabs(optimiser_norm(&a) - sqrt(5)) < 1e-12);
    large[LARGE - 1] = 2;
    assert_true(fabs(optimiser_norm(&a) - 3) < 1e-12);
    assert_null(optimiser_not_finite(&a));
    large[7] = INFINITY;
    assert_string_equal(optimiser_not_finite(&a), "large");
    small[1] = NAN;
    assert_string_equal(optimiser_not_finite(&a), "large"); /* backward goes from the end */
    large[7] = 0;
    small[1] = 1e20f; /* finite, but not its square */
    assert_string_equal(optimiser_not_finite(&a), "small");
    small[1] = -INFINITY;
    assert_string_equal(optimiser_not_finite(&a), "small");
    small[1] = NAN;
    assert_string_equal(optimiser_not_finite(&a), "small");
    free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_hundred_updates), cmocka_unit_test(without_means),
                                       cmocka_unit_test(clipping), cmocka_unit_test(norm_of_gradients)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
