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

/* Nobody wants the gradient of pixels: it is neither computed nor given memory. */
static void of_a_constant(void **state)
{
    enum { N = 2, I = 3, O = 2 };
    (void)state;
    Arena arena;
    Error e = {0};
    arena_init(&arena);
    Run run = {.arena = &arena, .error = &e};
    run.tape = tape_new(&run);
    const float w[O * I] = {1, 2, 3, 4, 5, 6};
    float dw[O * I] = {0};
    Param weight = {.ndim = 2, .dim = {O, I}, .count = O * I, .weight = {w, F32, I, NULL}, .grad = dw};
    Mat *x = mat_new(&run, N, I);
    assert_non_null(x);
    for (int i = 0; i < N * I; i++)
        x->data[i] = 1;
    x->constant = true;
    Mat *y = linear(&run, &(Linear){&weight, NULL}, x);
    assert_non_null(y);
    assert_true(y->data[0] == 6 && y->data[1] == 15);
    mat_grad(&run, y)[0] = 5;
    run_backward(&run);
    assert_null(x->grad);
    assert_true(dw[0] == 5 && dw[2] == 5 && dw[3] == 0);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(with_bias), cmocka_unit_test(without_bias),
                                       cmocka_unit_test(of_a_constant)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
