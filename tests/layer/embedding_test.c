/* Embedding against PyTorch; ids that occur several times add up in the gradient. */
#include "fixture/layer_bench.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>

#include <cmocka.h>

static Mat *forward(LayerBench *b)
{
    return embedding(&b->run, layer_param(b, "table"), layer_ints(b, "ids"),
                     golden_tensor(&b->g, "ids")->count);
}

static void rows_of_a_table(void **state)
{
    (void)state;
    check_layer("layer/embedding", forward, "src/layer/embedding.c");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(rows_of_a_table)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
