/* The head with its loss against PyTorch: the rows whose label counts are gathered, the loss is
 * their mean. */
#include "fixture/layer_bench.h"

#include "base/parallel.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

static const char source[] = "src/layer/cross_entropy.c";

static double loss_of(Bench *b, const char *golden, bool tape, Mat **h, Linear *head)
{
    *b = (Bench){0};
    golden_open(&b->g, golden);
    arena_init(&b->arena);
    b->run = (Run){.arena = &b->arena, .error = &b->error};
    if (tape)
        b->run.tape = tape_new(&b->run);
    *h = bench_mat(b, "h");
    *head = (Linear){bench_param(b, "w"), NULL};
    const int32_t *all = bench_ints(b, "labels");
    int64_t at[200], count = 0;
    int32_t labels[200];
    for (int64_t i = 0; i < (*h)->rows; i++)
        if (all[i] >= 0) {
            at[count] = i;
            labels[count++] = all[i];
        }
    double loss = -1;
    assert_true(head_cross_entropy(&b->run, head, gather_rows(&b->run, *h, at, count), labels,
                                   1 / (double)count, &loss));
    if (tape)
        run_backward(&b->run);
    assert_int_equal(b->error.status, OK);
    return loss;
}

static void check(const char *golden)
{
    Bench b, plain;
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

static void few_rows(void **state)
{
    (void)state;
    check("layer/cross-entropy");
}

static void several_chunks(void **state)
{
    (void)state;
    check("layer/cross-entropy-long");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(few_rows), cmocka_unit_test(several_chunks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
