/* Linear layers with and without bias against PyTorch. */
#include "fixture/layer_bench.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>

#include <cmocka.h>

static const char source[] = "src/layer/linear.c, src/tensor/gemm.c";

static Mat *forward(LayerBench *b)
{
    Linear *l = arena_zero(&b->arena, 1, sizeof *l, &b->error);
    assert_non_null(l);
    Mat *x = layer_mat(b, "x");
    l->weight = layer_param(b, "w");
    l->bias = golden_has(&b->g, "b") ? layer_param(b, "b") : NULL;
    return linear(&b->run, l, x);
}

static void with_bias(void **state)
{
    (void)state;
    check_layer("layer/linear-bias", forward, source);
    check_layer("layer/linear-wide", forward, source);
}

static void without_bias(void **state)
{
    (void)state;
    check_layer("layer/linear-plain", forward, source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(with_bias), cmocka_unit_test(without_bias)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
