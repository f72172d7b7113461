/* Activations and the sum of two matrices against PyTorch, from -90 to 90. */
#include "fixture/layer_bench.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>

#include <cmocka.h>

static const char source[] = "src/layer/activation.c, src/base/elementary.c";

static Mat *gelu_forward(Bench *b)
{
    return gelu(&b->run, bench_mat(b, "x"));
}

static Mat *gelu_tanh_forward(Bench *b)
{
    return gelu_tanh(&b->run, bench_mat(b, "x"));
}

static Mat *quick_gelu_forward(Bench *b)
{
    return quick_gelu(&b->run, bench_mat(b, "x"));
}

static Mat *swiglu_forward(Bench *b)
{
    Mat *gate = bench_mat(b, "gate"), *up = bench_mat(b, "up");
    return swiglu(&b->run, gate, up);
}

static Mat *add_forward(Bench *b)
{
    Mat *x = bench_mat(b, "a"), *y = bench_mat(b, "b");
    return add(&b->run, x, y);
}

static void of_one(void **state)
{
    (void)state;
    bench_layer("layer/gelu", gelu_forward, source);
    bench_layer("layer/gelu_tanh", gelu_tanh_forward, source);
    bench_layer("layer/quick_gelu", quick_gelu_forward, source);
}

static void of_two(void **state)
{
    (void)state;
    bench_layer("layer/swiglu", swiglu_forward, source);
    bench_layer("layer/add", add_forward, source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(of_one), cmocka_unit_test(of_two)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
