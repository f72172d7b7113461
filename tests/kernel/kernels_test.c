/* Every set of kernels that this CPU can run against sums in double: products of all three kinds * and sizes
around the edges of tiles and panels, decoding, and the elementary functions against * ours in double. */
#include "base/elementary.h"
#include "base/random.h"
#include "tensor/gemm.h"
#include "kernel/kernels.h"

#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Sizes of products: few rows, which stream the weights, and more; around tiles (3, 4, 6, 12, * 16, 32),
strips of weights (96), blocks of k (256), of columns (128) and of rows (960). */
static const int64_t sizes[][3] = {
    {1, 1, 1},     {3, 5, 7},      {4, 17, 64},    {7, 17, 9},    {12, 32, 16},  {13, 33, 15},
    {32, 31, 256}, {11, 129, 257}, {33, 5, 7},     {36, 16, 8},   {37, 17, 9},   {48, 32, 16},
    {49, 33, 15},  {61, 31, 256},  {47, 129, 257}, {50, 260, 40}, {2, 130, 600}, {500, 20, 33},
    {5, 97, 40},   {6, 196, 100},  {8, 200, 70},   {16, 101, 33}, {970, 20, 33}, {20, 970, 17}};
static const Dtype types[] = {F32, BF16, F16};

static float *noise(int64_t count, uint64_t seed)
{
    float *x = malloc((size_t)(count + 1) * sizeof *x);
    assert_non_null(x);
    for (int64_t i = 0; i < count; i++)
        x[i] = (float)(2 * random_unit(seed, 0, (uint64_t)i) - 1);
    return x;
}

/* The values as stored in the type, and what they then are. At an odd address, as they may lie * in a file.
*/
static unsigned char *stored(float *x, Dtype type, int64_t count)
{
    unsigned char *bytes = malloc((size_t)count * 4 + 1);
    assert_non_null(bytes);
    dtype_narrow(bytes + 1, type, x, count);
    dtype_widen(x, bytes + 1, type, count);
    return bytes;
}

/* Within the roundings of a float32 sum of K products, whose sizes are a quarter on average. */
static void must_be_close(const char *what, float got, double wanted, int64_t K)
{
    double limit = 6e-8 * (sqrt((double)K) + 2) * ((double)K / 4 + 2);
    if (!(fabs((double)got - wanted) <= limit))
        fail_msg("%s, kernels %s, k %lld: %.9g, wanted %.9g within %.2g (read src/kernel/kernels_vector.h, "
                 "kernels_stream.h, gemm.c)",
                 what, kernels->name, (long long)K, (double)got, wanted, limit);
}

/* stride: of w, whose rows may be a part of wider ones. These hold NaN between them: what is not theirs must
* not be multiplied. */
static void check_products(Run *run, int64_t N, int64_t O, int64_t I, int64_t stride, Dtype type)
{
    float *x = noise(N * I, 1);
    float *w = noise(O * stride, 2);
    float *dy = noise(N * O, 3);
    float *y = noise(N * O, 4);
    float *dx = noise(N * I, 5);
    float *dw = noise(O * I, 6);
    for (int64_t o = 0; o < O; o++)
        for (int64_t i = I; i < stride; i++)
            w[o * stride + i] = NAN;
    unsigned char *file = stored(w, type, O * stride);
    const Weight weight = {file + 1, type, stride, NULL};
    float *dx0 = noise(N * I, 5);
    float *dw0 = noise(O * I, 6);
    gemm_forward(run, y, x, &weight, N, O, I);
    gemm_input_grad(run, dx, dy, &weight, N, O, I);
    gemm_weight_grad(run, dw, dy, x, N, O, I);
    for (int64_t n = 0; n < N; n++)
        for (int64_t o = 0; o < O; o++) {
            double sum = 0;
            for (int64_t i = 0; i < I; i++)
                sum += (double)x[n * I + i] * (double)w[o * stride + i];
            must_be_close("y = x w'", y[n * O + o], sum, I);
        }
    for (int64_t n = 0; n < N; n++)
        for (int64_t i = 0; i < I; i++) {
            double sum = (double)dx0[n * I + i];
            for (int64_t o = 0; o < O; o++)
                sum += (double)dy[n * O + o] * (double)w[o * stride + i];
            must_be_close("dx += dy w", dx[n * I + i], sum, O);
        }
    for (int64_t o = 0; o < O; o++)
        for (int64_t i = 0; i < I; i++) {
            double sum = (double)dw0[o * I + i];
            for (int64_t n = 0; n < N; n++)
                sum += (double)dy[n * O + o] * (double)x[n * I + i];
            must_be_close("dw += dy' x", dw[o * I + i], sum, N);
        }
    float *all[] = {x, w, dy, y, dx, dw, dx0, dw0};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    free(file);
}

/* One sum of attention on a cache: what lies beyond a row of y keeps its values. */
static void check_row(const char *what, const float *y, const float *before, int64_t width, int64_t room,
                      const double *wanted, int64_t K)
{
    for (int64_t j = 0; j < width; j++)
        must_be_close(what, y[j], wanted[j], K);
    assert_memory_equal(y + width, before + width, (size_t)(room - width) * sizeof *y);
}

/* s = q k' and y = p v for N rows and K keys of I floats, with more room between rows than they * need. */
static void check_decoding(int64_t N, int64_t K, int64_t I)
{
    float *q = noise(N * I, 1);
    float *p = noise(N * (K + 3), 2);
    float *keys = noise(K * (I + 5), 3);
    float *wide = noise(N * (K + 2), 4);
    float *y = noise(N * (I + 2), 5);
    float *wide0 = noise(N * (K + 2), 4);
    float *y0 = noise(N * (I + 2), 5);
    double *sum = malloc((size_t)(K + I) * sizeof *sum);
    assert_non_null(sum);
    kernels->scores(wide, K + 2, q, keys, I + 5, N, K, I);
    kernels->mix(y, I + 2, p, K + 3, keys, I + 5, N, K, I);
    for (int64_t n = 0; n < N; n++) {
        memset(sum, 0, (size_t)(K + I) * sizeof *sum);
        for (int64_t k = 0; k < K; k++)
            for (int64_t i = 0; i < I; i++) {
                sum[k] += (double)q[n * I + i] * (double)keys[k * (I + 5) + i];
                sum[K + i] += (double)p[n * (K + 3) + k] * (double)keys[k * (I + 5) + i];
            }
        check_row("s = q k'", wide + n * (K + 2), wide0 + n * (K + 2), K, K + 2, sum, I);
        check_row("y = p v", y + n * (I + 2), y0 + n * (I + 2), I, I + 2, sum + K, K);
    }
    float *all[] = {q, p, keys, wide, y, wide0, y0};
    for (size_t f = 0; f < sizeof all / sizeof *all; f++)
        free(all[f]);
    free(sum);
}

/* Around 2, 3 and 4 rows, 4 registers of 8 or 16, a pair of those, and 256 keys. */
static void decoding(void **state)
{
    static const int64_t shapes[][3] = {{1, 1, 1},     {3, 5, 32},  {4, 256, 64}, {7, 300, 80},
                                        {2, 513, 131}, {6, 40, 37}, {1, 41, 128}, {5, 12, 16}};
    const Kernels *before = kernels;
    (void)state;
    for (int k = 0; kernels_available(k); k++)
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            kernels = kernels_available(k);
            check_decoding(shapes[i][0], shapes[i][1], shapes[i][2]);
        }
    kernels = before;
}

static void products(void **state)
{
    const Kernels *before = kernels;
    (void)state;
    for (int k = 0; kernels_available(k); k++) {
        Arena arena;
        Error e = {0};
        arena_init(&arena);
        assert_int_equal(kernels_choose(kernels_available(k)->name, &e), OK);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
                Run run = {.arena = &arena, .error = &e};
                check_products(&run, sizes[i][0], sizes[i][1], sizes[i][2], sizes[i][2] + (int64_t)(i % 3),
                               types[t]);
                assert_int_equal(e.status, OK);
            }
        arena_free(&arena);
    }
    kernels = before;
}

/* The softmax of columns of scores, and its backward from what the forward kept. */
static void check_softmax(const Kernels *set, int64_t K, float scale)
{
    enum { MAX_COLS = 64 };
    const int64_t cols = set->tile->cols;
    float *x = noise(K * cols, 11);
    float *p = noise(K * cols, 11);
    float *slope = noise(K * cols, 12);
    float *ds = noise(K * cols, 12);
    float max[MAX_COLS], inv_sum[MAX_COLS], mean[MAX_COLS];
    double sum[MAX_COLS];
    assert_true(cols <= MAX_COLS);
    set->softmax(p, K, scale, max, sum);
    for (int64_t c = 0; c < cols; c++) {
        double wanted = 0;
        for (int64_t k = 0; k < K; k++)
            wanted += exact_exp((double)scale * (double)x[k * cols + c] - (double)max[c]);
        assert_true(fabs(sum[c] - wanted) <= 1e-6 * wanted);
        inv_sum[c] = (float)(1 / sum[c]);
        mean[c] = (float)c / 9;
    }
    set->softmax_bwd(x, ds, K, scale, max, inv_sum, mean);
    for (int64_t i = 0; i < K * cols; i++) {
        const int64_t c = i % cols;
        const double prob = (double)p[i] * (double)inv_sum[c];
        const double wanted = prob * ((double)slope[i] - (double)mean[c]);
        if (fabs((double)x[i] - prob) > 3e-7 * prob ||
            fabs((double)ds[i] - wanted) > 3e-7 * (fabs(wanted) + prob * 8))
            fail_msg(
                "softmax_bwd by kernels %s, element %lld of %lld x %lld: %.9g and %.9g, wanted %.9g and %.9g",
                set->name, (long long)i, (long long)K, (long long)cols, (double)x[i], (double)ds[i], prob,
                wanted);
    }
    free(x);
    free(p);
    free(slope);
    free(ds);
}

static void softmax(void **state)
{
    (void)state;
    for (int k = 0; kernels_available(k); k++)
        for (int64_t K = 1; kernels_available(k)->tile && K < 300; K = K * 3 + 2)
            check_softmax(kernels_available(k), K, 7);
}

static void elementary(void **state)
{
    enum { COUNT = 4000 };
    (void)state;
    for (int k = 0; kernels_available(k); k++) {
        float *x = noise(COUNT, 9);
        float *y = noise(COUNT, 9);
        for (int64_t i = 0; i < COUNT; i++)
            x[i] *= 100;
        for (int64_t count = 1; count <= COUNT; count = count * 3 / 2 + 1) {
            float largest = x[0];
            for (int64_t i = 1; i < count; i++)
                largest = x[i] > largest ? x[i] : largest;
            assert_true(kernels_available(k)->max(x, count) == largest);
            memcpy(y, x, (size_t)count * sizeof *y);
            double sum = kernels_available(k)->exp_sum(y, largest, count);
            double wanted = 0;
            for (int64_t i = 0; i < count; i++) {
                double e = exact_exp((double)(x[i] - largest));
                wanted += e;
                if (fabs((double)y[i] - e) > 1.5e-7 * e + 2e-38)
                    fail_msg("exp(%.9g) by kernels %s: %.9g, wanted %.9g", (double)(x[i] - largest),
                             kernels_available(k)->name, (double)y[i], e);
            }
            assert_true(fabs(sum - wanted) <= 1e-6 * wanted);
            memcpy(y, x, (size_t)count * sizeof *y);
            kernels_available(k)->sigmoid(y, count);
            for (int64_t i = 0; i < count; i++)
                if (fabs((double)y[i] - exact_sigmoid((double)x[i])) >
                    2e-7 * exact_sigmoid((double)x[i]) + 2e-38)
                    fail_msg("sigmoid(%.9g) by kernels %s: %.9g", (double)x[i], kernels_available(k)->name,
                             (double)y[i]);
        }
        free(x);
        free(y);
    }
}

/* One value of AdamW's update in double, with g already scaled. */
static void adamw_by_hand(double *p, double *m, double *v, double g, const AdamW *o)
{
    *m += (double)o->b1 * (g - *m);
    *v += (double)o->b2 * (g * g - *v);
    *p = *p * (double)o->keep - (double)o->step * *m / (sqrt(*v) * (double)o->root + (double)o->epsilon);
}

static void check_training(const Kernels *k, int64_t count)
{
    const AdamW o = {
        .scale = 0.5f, .b1 = 0.1f, .b2 = 0.05f, .keep = 0.9f, .step = 0.2f, .root = 3, .epsilon = 1e-3f};
    float *p = noise(count, 1);
    float *m = noise(count, 2);
    float *v = noise(count, 3);
    float *g = noise(count, 4);
    float *p0 = noise(count, 1);
    float *m0 = noise(count, 2);
    double sum = 0;
    for (int64_t i = 0; i < count; i++) {
        v[i] = fabsf(v[i]);
        sum += (double)g[i] * (double)g[i];
    }
    if (!(fabs(k->square_sum(g, count) - sum) <= 1e-6 * sum))
        fail_msg("kernels %s: %lld squares add up to %.9g, wanted %.9g", k->name, (long long)count,
                 k->square_sum(g, count), sum);
    float *v0 = noise(count, 3);
    k->adamw(p, m, v, g, count, &o);
    for (int64_t i = 0; i < count; i++) {
        double want[] = {(double)p0[i], (double)m0[i], fabs((double)v0[i])};
        adamw_by_hand(want, want + 1, want + 2, 0.5 * (double)g[i], &o);
        const double got[] = {(double)p[i], (double)m[i], (double)v[i]};
        for (int j = 0; j < 3; j++)
            if (!(fabs(got[j] - want[j]) <= 1e-6))
                fail_msg("AdamW by kernels %s, value %lld of %lld: %c is %.9g, wanted %.9g", k->name,
                         (long long)i, (long long)count, "pmv"[j], got[j], want[j]);
    }
    float *all[] = {p, m, v, g, p0, m0, v0};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

/* Around the lanes (16) and the chunks (1024) of the sum. */
static void training(void **state)
{
    static const int64_t counts[] = {1, 15, 16, 17, 1023, 1024, 1041, 2100};
    (void)state;
    for (int k = 0; kernels_available(k); k++)
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
            check_training(kernels_available(k), counts[i]);
}

static void what_is_not_a_number_stays(void **state)
{
    (void)state;
    for (int k = 0; kernels_available(k); k++) {
        float x[40];
        for (int i = 0; i < 40; i++)
            x[i] = i == 21 ? NAN : 1;
        kernels_available(k)->exp_sum(x, 1, 40);
        assert_true(isnan(x[21]) && x[20] == 1 && x[22] == 1);
        kernels_available(k)->sigmoid(x, 40);
        assert_true(isnan(x[21]) && !isnan(x[22]));
    }
}

static void unknown_sets_are_refused(void **state)
{
    Error e = {0};
    const Kernels *before = kernels;
    (void)state;
    assert_int_equal(kernels_choose("avx1024", &e), BAD_USAGE);
    assert_non_null(strstr(e.text, "plain"));
    assert_ptr_equal(kernels, before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products),
        cmocka_unit_test(decoding),
        cmocka_unit_test(elementary),
        cmocka_unit_test(softmax),
        cmocka_unit_test(training),
        cmocka_unit_test(what_is_not_a_number_stays),
        cmocka_unit_test(unknown_sets_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
