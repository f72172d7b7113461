/* Activations and the sum of two matrices against PyTorch, from -90 to 90. */
#include "fixture/layer_bench.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(of_one), cmocka_unit_test(of_two)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
