/* Layer scale against PyTorch. */
#include "fixture/layer_bench.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>

#include <cmocka.h>

static Mat *scale_forward(LayerBench *b)
{
    Mat *x = layer_mat(b, "x");
    return scale_columns(&b->run, layer_param(b, "s"), x);
}

static void scale(void **state)
{
    (void)state;
    check_layer("layer/scale", scale_forward, "src/layer/scale.c");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(scale)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
