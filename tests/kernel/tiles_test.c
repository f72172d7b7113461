/* The kernels for matrix tiles (AMX) on any CPU: their own source, with the instructions of the tiles done in C. */
#include "kernel/emulated_tiles.h"

#include "tensor/gemm.h"

#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/random.h"

#if defined(__GNUC__)
#define SET kernels_emulated
#define TITLE "emulated tiles"
#define TILES
#include "kernel/kernels_avx512.h"

/* Few tokens (more than streaming takes), edges of tiles (16, 32), of blocks (128) and of chunks of k (256). */
static const int64_t sizes[][3] = {{33, 5, 7},    {64, 32, 32},  {47, 33, 64},    {65, 129, 100},
                                   {300, 40, 96}, {40, 20, 545}, {257, 130, 1030}};

/* c0[M, N] plus K products each, of a(m, k) and b(n, k) at these distances in a and b, whose numbers go up to `scale` and 1. */
static void must_be_product(const char *what, const float *c, const float *c0, int64_t M, int64_t N,
                            int64_t K, const float *a, int64_t am, int64_t ak, const float *b, int64_t bn,
                            int64_t bk, float scale)
{
    for (int64_t m = 0; m < M; m++)
        for (int64_t n = 0; n < N; n++) {
            double sum = c0 ? (double)c0[m * N + n] : 0;
            double limit = 6e-8 * (sqrt((double)K) + 2) * ((double)K / 4 + 2) * (double)scale;
            for (int64_t k = 0; k < K; k++)
                sum += (double)a[m * am + k * ak] * (double)b[n * bn + k * bk];
            if (!(fabs((double)c[m * N + n] - sum) <= limit))
                fail_msg("%s, (%lld, %lld) of %lld x %lld, %lld products: %.9g, wanted %.9g within %.2g "
                         "(read src/kernel/kernels_tiles.h)",
                         what, (long long)m, (long long)n, (long long)M, (long long)N, (long long)K,
                         (double)c[m * N + n], sum, limit);
        }
}

static float *noise(Arena *arena, int64_t count, uint64_t seed, float scale)
{
    Error e = {0};
    float *x = arena_alloc(arena, count, sizeof *x, &e);
    assert_non_null(x);
    for (int64_t i = 0; i < count; i++)
        x[i] = scale * (float)(2 * random_unit(seed, 0, (uint64_t)i) - 1);
    return x;
}

/* Weights in bf16, as in a checkpoint, and in float32, as in training. Their rows are a part of wider ones, which hold NaN between
 * them: what is not theirs must not be multiplied. */
static void check(int64_t N, int64_t O, int64_t I, float scale)
{
    const int64_t stride = I + 3;
    Arena arena;
    Error e = {0};
    arena_init(&arena);
    Run run = {.arena = &arena, .error = &e};
    float *x = noise(&arena, N * I, 1, scale);
    float *w = noise(&arena, O * stride, 2, 1);
    float *dy = noise(&arena, N * O, 3, scale);
    float *y = noise(&arena, N * O, 4, 1);
    uint16_t *stored = arena_alloc(&arena, O * stride, sizeof *stored, &e);
    assert_non_null(stored);
    for (int64_t o = 0; o < O; o++)
        for (int64_t i = I; i < stride; i++)
            w[o * stride + i] = NAN;
    dtype_narrow(stored, BF16, w, O * stride);
    const Dtype types[] = {F32, BF16};
    for (int i = 0; i < 2; i++) {
        const Weight weight = {types[i] == F32 ? (const void *)w : stored, types[i], stride, NULL};
        float *dx = noise(&arena, N * I, 5, 1);
        float *dx0 = noise(&arena, N * I, 5, 1);
        if (types[i] == BF16)
            dtype_widen(w, stored, BF16, O * stride);
        gemm_forward(&run, y, x, &weight, N, O, I);
        must_be_product("y = x w'", y, NULL, N, O, I, x, I, 1, w, stride, 1, scale);
        gemm_input_grad(&run, dx, dy, &weight, N, O, I);
        must_be_product("dx += dy w", dx, dx0, N, I, O, dy, O, 1, w, 1, stride, scale);
    }
    float *dw = noise(&arena, O * I, 6, 1);
    float *dw0 = noise(&arena, O * I, 6, 1);
    float *x1 = noise(&arena, N * I, 1, 1);
    gemm_weight_grad(&run, dw, dy, x1, N, O, I);
    must_be_product("dw += dy' x", dw, dw0, O, I, N, dy, 1, O, x1, 1, I, scale);
    assert_int_equal(e.status, OK);
    arena_free(&arena);
}

static void products(void **state)
{
    const Kernels *before = kernels;
    (void)state;
    kernels = &kernels_emulated;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        check(sizes[i][0], sizes[i][1], sizes[i][2], 1);
        check(sizes[i][0], sizes[i][1], sizes[i][2], 1e4f);
    }
    kernels = before;
}

/* x0 + x1 + x2 = x, of numbers between 2^low and 2^(low + range), each beside others of quite another size. */
static void check_parts(int low, int range)
{
    static uint16_t parts[3 * 32 * 32];
    float x[32 * 32];
    for (int i = 0; i < 32 * 32; i++)
        x[i] = (float)(2 * random_unit(3, 0, (uint64_t)i) - 1) * ldexpf(1, low + i * 37 % range);
    split_pack(parts, false, &(Weight){x, F32, 32, NULL}, 32, 32);
    for (int t = 0; t < 32; t++)
        for (int k = 0; k < 32; k++) {
            const double value = (double)x[t * 32 + k];
            /* the smallest bf16 is 2^-133: a number whose last bit is below it loses that */
            const double limit = fabs(value) < ldexp(1, -110) ? ldexp(1, -133) : 0;
            double sum = 0;
            for (int part = 0; part < 3; part++)
                sum += (double)bf16_load(parts[(part * 2 + t / 16) * 512 + t % 16 * 32 + k]);
            if (!(fabs(sum - value) <= limit))
                fail_msg("the parts of %.9g add up to %.9g (read split_pairs in src/kernel/kernels_tiles.h)",
                         value, sum);
        }
}

/* For numbers of all sizes: nothing is lost that float32 holds, and a tiny number does nothing to the one beside it. */
static void three_parts_are_all_of_it(void **state)
{
    (void)state;
    check_parts(-30, 60);
    check_parts(-148, 250);
}
#else
static void products(void **state)
{
    (void)state; /* the kernels for tiles are written for GCC and clang */
}
static void three_parts_are_all_of_it(void **state)
{
    (void)state;
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(products),
                                       cmocka_unit_test(three_parts_are_all_of_it)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
