/* Merging, scattering and gathering of rows against PyTorch. */
#include "fixture/layer_bench.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>

#include <cmocka.h>

static const int64_t *positions(LayerBench *b)
{
    const Tensor *t = golden_tensor(&b->g, "at");
    int64_t *at = arena_alloc(&b->arena, t->count, sizeof *at, &b->error);
    assert_non_null(at);
    for (int64_t i = 0; i < t->count; i++)
        at[i] = (int64_t)tensor_value(t, i);
    return at;
}

static Mat *merge_forward(LayerBench *b)
{
    return merge_rows(&b->run, layer_mat(b, "x"), (int64_t)golden_number(&b->g, "group"));
}

static Mat *scatter_forward(LayerBench *b)
{
    Mat *x = layer_mat(b, "x");
    Mat *rows = layer_mat(b, "rows");
    return scatter_rows(&b->run, x, rows, positions(b));
}

static Mat *gather_forward(LayerBench *b)
{
    return gather_rows(&b->run, layer_mat(b, "x"), positions(b), golden_tensor(&b->g, "at")->count);
}

static void merge(void **state)
{
    (void)state;
    check_layer("layer/merge", merge_forward, "src/layer/merge.c");
}

static void scatter(void **state)
{
    (void)state;
    check_layer("layer/scatter", scatter_forward, "src/layer/scatter.c");
}

static void gather(void **state)
{
    (void)state;
    check_layer("layer/gather", gather_forward, "src/layer/scatter.c");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(merge), cmocka_unit_test(scatter),
                                       cmocka_unit_test(gather)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
