/* Matrices, the tape, blocks and the probe, on a block that is simple enough to know its gradients. */
#include "tensor/probe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 2, COLS = 3, VALUES = ROWS * COLS };

typedef struct {
    Arena arena;
    Error error;
    Probe probe;
    Run run;
} Pass;

static void pass_open(Pass *p)
{
    memset(p, 0, sizeof *p);
    arena_init(&p->arena);
    probe_init(&p->probe);
    p->run = (Run){.arena = &p->arena, .probe = &p->probe, .error = &p->error};
}

static void pass_close(Pass *p)
{
    arena_free(&p->arena);
    probe_free(&p->probe);
}

static Mat *counting(Run *run)
{
    Mat *x = mat_new(run, ROWS, COLS);
    assert_non_null(x);
    for (int i = 0; i < VALUES; i++)
        x->data[i] = (float)i;
    return x;
}

typedef struct {
    Mat *x, *y;
    float factor;
} SavedScale;

/* forward: y = factor x, so dx += factor dy */
static void scale_backward(Run *run, void *p)
{
    const SavedScale *s = p;
    const float *dy = mat_grad(run, s->y);
    float *dx = mat_grad(run, s->x);
    assert_true(dx && dy);
    for (int i = 0; i < VALUES; i++)
        dx[i] += s->factor * dy[i];
}

/* The context is the factor. Leaves memory behind, and shows its result. */
static Mat *scale(Run *run, void *context, Mat *x)
{
    const float factor = *(const float *)context;
    if (!run_alloc(run, 1000, 1))
        return NULL;
    Mat *y = mat_new(run, ROWS, COLS);
    for (int i = 0; y && i < VALUES; i++)
        y->data[i] = factor * x->data[i];
    probe_mat(run, y, 0, "scaled by %g", (double)factor);
    SavedScale *s = tape_record(run, scale_backward, sizeof *s);
    if (s)
        *s = (SavedScale){x, y, factor};
    return y;
}

/* Two blocks, y = 3 (2 x); with `tape` backward from dy = 1. */
static void check_blocks(bool tape, bool recompute)
{
    Pass p;
    pass_open(&p);
    Mat *x = counting(&p.run);
    float factor = 2;
    p.run.tape = tape ? tape_new(&p.run) : NULL;
    p.run.recompute = recompute;
    Mat *y = run_block(&p.run, scale, &factor, sizeof factor, x);
    factor = 3;
    y = run_block(&p.run, scale, &factor, sizeof factor, y);
    factor = 0; /* blocks have copies */
    assert_non_null(y);
    for (int i = 0; i < VALUES; i++)
        assert_true(y->data[i] == (float)(6 * i));
    if (tape) {
        float *dy = mat_grad(&p.run, y);
        assert_non_null(dy);
        for (int i = 0; i < VALUES; i++)
            dy[i] = 1;
        run_backward(&p.run);
        run_backward(&p.run); /* the tape is empty now */
        for (int i = 0; i < VALUES; i++)
            assert_true(mat_grad(&p.run, x)[i] == 6);
    }
    assert_int_equal(p.error.status, OK);
    assert_int_equal(p.probe.count, 2); /* not once more for recomputation */
    assert_string_equal(p.probe.tensor[0].name, "scaled by 2");
    assert_string_equal(p.probe.tensor[1].name, "scaled by 3");
    pass_close(&p);
}

static void blocks(void **state)
{
    (void)state;
    check_blocks(false, false);
    check_blocks(true, false);
    check_blocks(true, true);
}

/* Without a tape, and with recomputation, what blocks allocate is released: ten of them take no more than *
their inputs and contexts. */
static void blocks_release_memory(void **state)
{
    (void)state;
    for (int recompute = 0; recompute < 2; recompute++) {
        Pass p;
        pass_open(&p);
        Mat *y = counting(&p.run);
        const float factor = 1;
        p.run.probe = NULL;
        p.run.tape = recompute ? tape_new(&p.run) : NULL;
        p.run.recompute = recompute;
        const size_t before = p.arena.total;
        for (int i = 0; i < 10; i++)
            y = run_block(&p.run, scale, &factor, sizeof factor, y);
        assert_non_null(y);
        assert_true(p.arena.total - before < 10 * 600);
        pass_close(&p);
    }
}

static Mat *failing(Run *run, void *context, Mat *x)
{
    (void)context;
    error_set(run->error, NOT_FINITE, "the first");
    return mat_new(run, x->rows, x->cols);
}

/* A failure passes through all that follows, and the first message stays. */
static void failures(void **state)
{
    (void)state;
    for (int tape = 0; tape < 3; tape++) {
        Pass p;
        pass_open(&p);
        Mat *x = counting(&p.run);
        const float factor = 2;
        p.run.tape = tape ? tape_new(&p.run) : NULL;
        p.run.recompute = tape == 2;
        Mat *y = run_block(&p.run, failing, &factor, sizeof factor, x);
        assert_null(y);
        assert_null(run_block(&p.run, scale, &factor, sizeof factor, y));
        assert_null(run_block(&p.run, scale, &factor, sizeof factor, x));
        assert_null(mat_new(&p.run, 1, 1));
        assert_null(mat_grad(&p.run, x));
        assert_null(tape_record(&p.run, scale_backward, 1));
        if (tape)
            run_backward(&p.run); /* calls nothing */
        assert_int_equal(p.error.status, NOT_FINITE);
        assert_string_equal(p.error.text, "the first");
        pass_close(&p);
    }
}

static void twice(float *out, const void *inputs)
{
    const Mat *x = inputs;
    for (int i = 0; i < VALUES; i++)
        out[i] = 2 * x->data[i];
}

static void matrices(void **state)
{
    (void)state;
    Pass p;
    pass_open(&p);
    Mat *x = counting(&p.run);
    Mat *lazy = mat_lazy(&p.run, ROWS, COLS, twice, x);
    assert_true(lazy && !lazy->data && mat_values(&p.run, x) == x->data);
    assert_true(mat_values(&p.run, lazy)[5] == 10);
    Mat *view = mat_columns(&p.run, x, 1, 2);
    Mat *inner = mat_columns(&p.run, view, 1, 1); /* column 2 of x */
    assert_true(view->data[view->stride] == 4 && inner->data[inner->stride] == 5);
    mat_grad(&p.run, inner)[inner->stride] = 7;
    const float dx[VALUES] = {0, 0, 0, 0, 0, 7};
    assert_memory_equal(mat_grad(&p.run, x), dx, sizeof dx);
    assert_null(mat_columns(&p.run, NULL, 0, 1));
    assert_null(mat_new(&p.run, (int64_t)1 << 62, 4)); /* its product is 0 in 64 bits */
    assert_int_equal(p.error.status, NO_MEMORY);
    assert_non_null(strstr(p.error.text, "4611686018427387904 x 4"));
    pass_close(&p);
}

/* More values than the probe has room for at first; each keeps its name, shape and numbers. */
static void probe(void **state)
{
    enum { COUNT = 200 };
    (void)state;
    Pass p;
    pass_open(&p);
    Mat *x = counting(&p.run);
    char name[20];
    for (int i = 0; i < COUNT; i++) {
        x->data[0] = (float)i;
        probe_mat(&p.run, x, i % 2 ? 1 : 0, "value %d", i);
    }
    assert_int_equal(p.probe.count, COUNT);
    for (int i = 0; i < COUNT; i++) {
        const TensorOut *t = p.probe.tensor + i;
        snprintf(name, sizeof name, "value %d", i);
        assert_string_equal(t->name, name);
        assert_true(t->dtype == F32 && t->ndim == (i % 2 ? 3 : 2) && t->dim[t->ndim - 1] == COLS);
        assert_true(*(const float *)t->data == (float)i);
    }
    pass_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(blocks), cmocka_unit_test(blocks_release_memory),
                                       cmocka_unit_test(failures), cmocka_unit_test(matrices),
                                       cmocka_unit_test(probe)};
    return cmocka_run_group_tests_name("tensor/run", tests, NULL, NULL);
}
