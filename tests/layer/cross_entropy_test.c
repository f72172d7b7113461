/* The head with its loss against PyTorch: the rows whose label counts are gathered, the loss is * their mean.
*/
#include "fixture/layer_bench.h"

#include "base/parallel.h"
#include "kernel/kernels.h"
#include "tensor/gemm.h"

#include <stdarg.h>
#include <stddef.h>
#include <math.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

static const char source[] = "src/layer/cross_entropy.c";

static double loss_of(LayerBench *b, const char *golden, bool tape, Mat **h, Linear *head)
{
    *b = (LayerBench){0};
    golden_open(&b->g, golden);
    arena_init(&b->arena);
    b->run = (Run){.arena = &b->arena, .error = &b->error};
    if (tape)
        b->run.tape = tape_new(&b->run);
    *h = layer_mat(b, "h");
    *head = (Linear){layer_param(b, "w"), NULL};
    const int32_t *all = layer_ints(b, "labels");
    int64_t at[200];
    int64_t count = 0;
    int32_t labels[200];
    for (int64_t i = 0; i < (*h)->rows; i++)
        if (all[i] >= 0) {
            at[count] = i;
            labels[count++] = all[i];
        }
    double loss = -1;
    double each[200];
    double mean = 0;
    assert_true(head_cross_entropy(&b->run, head, gather_rows(&b->run, *h, at, count), labels,
                                   1 / (double)count, each, &loss));
    for (int64_t i = 0; i < count; i++)
        mean += each[i] / (double)count;
    assert_true(count < 2 || fabs(each[0] - each[1]) > 0); /* rows differ */
    assert_true(fabs(mean - loss) <= 1e-12 * fabs(loss));
    if (tape)
        run_backward(&b->run);
    assert_int_equal(b->error.status, OK);
    return loss;
}

static void check(const char *golden)
{
    LayerBench b, plain;
    Mat *h, *h2;
    Linear head, head2;
    parallel_set_threads(1);
    float loss = (float)loss_of(&b, golden, true, &h, &head);
    bool good = golden_close_to(&b.g, "loss", &loss, 1, golden_pass_limit, source);
    good &= golden_close_to(&b.g, "dh", mat_grad(&b.run, h), h->rows * h->cols, golden_pass_limit, source);
    good &= golden_close_to(&b.g, "dw", head.weight->grad, head.weight->count, golden_pass_limit, source);
    parallel_set_threads(4);
    float again = (float)loss_of(&plain, golden, true, &h2, &head2);
    good &= !memcmp(&loss, &again, sizeof loss) &&
            !memcmp(head.weight->grad, head2.weight->grad, (size_t)head.weight->count * sizeof(float));
    good &= !memcmp(h->grad, h2->grad, (size_t)(h->rows * h->cols) * sizeof(float));
    golden_close_to(&plain.g, "loss", &again, 1, golden_pass_limit, source);
    arena_free(&plain.arena);
    golden_close(&plain.g);
    float untaped = (float)loss_of(&plain, golden, false, &h2, &head2);
    good &= !memcmp(&loss, &untaped, sizeof loss);
    golden_close_to(&plain.g, "loss", &untaped, 1, golden_pass_limit, source);
    arena_free(&plain.arena);
    golden_close(&plain.g);
    parallel_set_threads(0);
    arena_free(&b.arena);
    golden_close(&b.g);
    if (!good)
        fail_msg("%s: the golden, or the bits with 4 threads or without a tape; read %s", golden, source);
}

/* By every set of kernels that this CPU can run. */
static void by_all_kernels(void (*f)(const char *golden), const char *golden)
{
    const Kernels *before = kernels;
    for (int i = 0; kernels_available(i); i++) {
        kernels = kernels_available(i);
        f(golden);
    }
    kernels = before;
}

static void few_rows(void **state)
{
    (void)state;
    by_all_kernels(check, "layer/cross-entropy");
}

static void several_chunks(void **state)
{
    (void)state;
    by_all_kernels(check, "layer/cross-entropy-long");
}

/* What head_cross_entropy_bytes promises, measured by the arena. */
static void check_memory(const char *none)
{
    enum { N = 300, D = 4, V = 3000 };
    (void)none;
    Arena arena;
    Error e = {0};
    arena_init(&arena);
    Run run = {.arena = &arena, .error = &e};
    run.tape = tape_new(&run);
    Mat *h = mat_new(&run, N, D);
    float *w = arena_zero(&arena, V * D, sizeof *w, &e);
    float *dw = arena_zero(&arena, V * D, sizeof *dw, &e);
    int32_t *labels = arena_zero(&arena, N, sizeof *labels, &e);
    assert_true(h && w && dw && labels && mat_grad(&run, h));
    memset(h->data, 0, N * D * sizeof *h->data);
    Param weight = {.ndim = 2, .dim = {V, D}, .count = V * D, .weight = {w, F32, D, NULL}, .grad = dw};
    const size_t before = arena.total;
    double loss;
    parallel_set_threads(1);
    assert_true(head_cross_entropy(&run, &(Linear){&weight, NULL}, h, labels, 1, NULL, &loss));
    assert_true(loss > N * 8.0 && loss < N * 8.1); /* log 3000 = 8.006 */
    const int64_t took = (int64_t)(arena.peak - before);
    const int64_t small = gemm_scratch(V);
    if (took > head_cross_entropy_bytes(V) + small || 2 * took < head_cross_entropy_bytes(V))
        fail_msg("head_cross_entropy took %lld bytes, head_cross_entropy_bytes says %lld; read %s",
                 (long long)took, (long long)head_cross_entropy_bytes(V), source);
    parallel_set_threads(0);
    arena_free(&arena);
}

static void memory(void **state)
{
    (void)state;
    by_all_kernels(check_memory, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(few_rows), cmocka_unit_test(several_chunks),
                                       cmocka_unit_test(memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
