/* RMSNorm and LayerNorm against PyTorch: on Mats with gradients, and their kernels alone. */
#include "fixture/layer_bench.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char rms_source[] = "src/layer/rmsnorm.c", layer_source[] = "src/layer/layernorm.c";

static Mat *rms_forward(LayerBench *b)
{
    RmsNorm *l = arena_zero(&b->arena, 1, sizeof *l, &b->error);
    assert_non_null(l);
    Mat *x = layer_mat(b, "x");
    *l = (RmsNorm){layer_param(b, "w"), (float)golden_number(&b->g, "eps")};
    return rmsnorm(&b->run, l, x);
}

static Mat *layer_forward(LayerBench *b)
{
    LayerNorm *l = arena_zero(&b->arena, 1, sizeof *l, &b->error);
    assert_non_null(l);
    Mat *x = layer_mat(b, "x");
    l->weight = layer_param(b, "w");
    l->bias = layer_param(b, "b");
    l->eps = (float)golden_number(&b->g, "eps");
    return layernorm(&b->run, l, x);
}

static void rms_on_mats(void **state)
{
    (void)state;
    check_layer("layer/rmsnorm-small", rms_forward, rms_source);
    check_layer("layer/rmsnorm-wide", rms_forward, rms_source);
    check_layer("layer/rmsnorm-tiny-values", rms_forward, rms_source);
}

static void layer_on_mats(void **state)
{
    (void)state;
    check_layer("layer/layernorm-small", layer_forward, layer_source);
    check_layer("layer/layernorm-wide", layer_forward, layer_source);
    check_layer("layer/layernorm-tiny-values", layer_forward, layer_source);
}

static void rms_kernels(void **state)
{
    (void)state;
    Golden g;
    golden_open(&g, "layer/rmsnorm-small");
    int64_t N = golden_tensor(&g, "x")->dim[0];
    int64_t D = golden_tensor(&g, "x")->dim[1];
    float *x = golden_floats(&g, "x");
    float *w = golden_floats(&g, "w");
    float *dy = golden_floats(&g, "dy");
    float *y = calloc((size_t)(N * D), sizeof *y);
    float *rstd = calloc((size_t)N, sizeof *rstd);
    float *dx = calloc((size_t)(N * D), sizeof *dx);
    float *dw = calloc((size_t)D, sizeof *dw);
    assert_true(y && rstd && dx && dw);
    rmsnorm_fwd(y, rstd, x, w, (float)golden_number(&g, "eps"), N, D);
    rmsnorm_bwd(dx, dw, dy, x, rstd, w, N, D);
    bool good = golden_close_to(&g, "y", y, N * D, golden_pass_limit, rms_source);
    good &= golden_close_to(&g, "dx", dx, N * D, golden_pass_limit, rms_source);
    good &= golden_close_to(&g, "dw", dw, D, golden_pass_limit, rms_source);
    rmsnorm_bwd(dx, NULL, dy, x, rstd, w, N, D); /* gradients are added; no gradient of w wanted */
    for (int64_t i = 0; i < N * D; i++)
        dx[i] /= 2;
    good &= golden_close_to(&g, "dx", dx, N * D, golden_pass_limit, rms_source);
    golden_close(&g);
    float *const all[] = {x, w, dy, y, rstd, dx, dw};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    assert_true(good);
}

static void layer_kernels(void **state)
{
    (void)state;
    Golden g;
    golden_open(&g, "layer/layernorm-small");
    int64_t N = golden_tensor(&g, "x")->dim[0];
    int64_t D = golden_tensor(&g, "x")->dim[1];
    float *x = golden_floats(&g, "x");
    float *w = golden_floats(&g, "w");
    float *b = golden_floats(&g, "b");
    float *dy = golden_floats(&g, "dy");
    float *y = calloc((size_t)(N * D), sizeof *y);
    float *mean = calloc((size_t)N, sizeof *mean);
    float *rstd = calloc((size_t)N, sizeof *rstd);
    float *dx = calloc((size_t)(N * D), sizeof *dx);
    float *dw = calloc((size_t)D, sizeof *dw);
    float *db = calloc((size_t)D, sizeof *db);
    assert_true(y && mean && rstd && dx && dw && db);
    layernorm_fwd(y, mean, rstd, x, w, b, (float)golden_number(&g, "eps"), N, D);
    layernorm_bwd(dx, dw, db, dy, x, mean, rstd, w, N, D);
    bool good = golden_close_to(&g, "y", y, N * D, golden_pass_limit, layer_source);
    good &= golden_close_to(&g, "dx", dx, N * D, golden_pass_limit, layer_source);
    good &= golden_close_to(&g, "dw", dw, D, golden_pass_limit, layer_source);
    good &= golden_close_to(&g, "db", db, D, golden_pass_limit, layer_source);
    memset(dw, 0, (size_t)D * sizeof *dw);
    memset(db, 0, (size_t)D * sizeof *db);
    layernorm_bwd(dx, dw, NULL, dy, x, mean, rstd, w, N, D); /* one of the two may be frozen */
    layernorm_bwd(dx, NULL, db, dy, x, mean, rstd, w, N, D);
    layernorm_bwd(dx, NULL, NULL, dy, x, mean, rstd, w, N, D);
    good &= golden_close_to(&g, "dw", dw, D, golden_pass_limit, layer_source);
    good &= golden_close_to(&g, "db", db, D, golden_pass_limit, layer_source);
    golden_close(&g);
    float *const all[] = {x, w, b, dy, y, mean, rstd, dx, dw, db};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    assert_true(good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(rms_on_mats), cmocka_unit_test(layer_on_mats),
                                       cmocka_unit_test(rms_kernels), cmocka_unit_test(layer_kernels)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
