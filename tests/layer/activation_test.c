/* Activations and the sum of two matrices against PyTorch, from -90 to 90. */
#include "fixture/layer_bench.h"

#include "base/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const char source[] = "src/layer/activation.c, src/base/elementary.c";

static Mat *gelu_forward(LayerBench *b)
{
    return gelu(&b->run, layer_mat(b, "x"));
}

static Mat *gelu_tanh_forward(LayerBench *b)
{
    return gelu_tanh(&b->run, layer_mat(b, "x"));
}

static Mat *quick_gelu_forward(LayerBench *b)
{
    return quick_gelu(&b->run, layer_mat(b, "x"));
}

static Mat *swiglu_forward(LayerBench *b)
{
    Mat *gate = layer_mat(b, "gate");
    Mat *up = layer_mat(b, "up");
    return swiglu(&b->run, gate, up);
}

static Mat *swiglu_joined_forward(LayerBench *b)
{
    Mat *x = layer_mat(b, "x");
    const int64_t F = x->cols / 2;
    return swiglu(&b->run, mat_columns(&b->run, x, 0, F), mat_columns(&b->run, x, F, F));
}

static Mat *add_forward(LayerBench *b)
{
    Mat *x = layer_mat(b, "a");
    Mat *y = layer_mat(b, "b");
    return add(&b->run, x, y);
}

static void of_one(void **state)
{
    (void)state;
    check_layer("layer/gelu", gelu_forward, source);
    check_layer("layer/gelu_tanh", gelu_tanh_forward, source);
    check_layer("layer/quick_gelu", quick_gelu_forward, source);
}

static void of_two(void **state)
{
    (void)state;
    check_layer("layer/swiglu", swiglu_forward, source);
    check_layer("layer/swiglu-joined", swiglu_joined_forward, source);
    check_layer("layer/add", add_forward, source);
}

/* gelu of many elements, whose erf is from a table, is bit for bit gelu of few, whose erf is the exact one. */
static void of_many(void **state)
{
    (void)state;
    enum { MANY = 1 << 20, FEW = 1000, SPECIAL = 9 };
    static const float special[SPECIAL] = {0,     -0.0F,  1e-40F,   -8.49F,   8.49F,
                                           1e30F, -1e30F, INFINITY, -INFINITY};
    static float x[MANY], many[MANY], few[MANY], slope[MANY], slope_few[MANY], one[MANY];
    for (int64_t i = 0; i < MANY; i++) {
        x[i] = i < SPECIAL ? special[i] : (float)((random_unit(1, 1, (uint64_t)i) - 0.5) * (i % 3 ? 6 : 22));
        one[i] = 1;
    }
    gelu_fwd(many, x, MANY);
    gelu_bwd(slope, one, x, MANY);
    for (int64_t i = 0; i < MANY; i += FEW) {
        const int64_t n = i + FEW < MANY ? FEW : MANY - i;
        gelu_fwd(few + i, x + i, n);
        gelu_bwd(slope_few + i, one + i, x + i, n);
    }
    for (int64_t i = 0; i < MANY; i++)
        if (memcmp(many + i, few + i, sizeof *few) || memcmp(slope + i, slope_few + i, sizeof *slope))
            fail_msg(
                "gelu(%.9g) = %.9g, slope %.9g; wanted %.9g, %.9g; read src/layer/activation.c (gelu_of)",
                (double)x[i], (double)many[i], (double)slope[i], (double)few[i], (double)slope_few[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(of_one), cmocka_unit_test(of_two),
                                       cmocka_unit_test(of_many)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
