#include "layer_bench.h"

#include "base/parallel.h"

#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void bench_open(Bench *b, const char *golden, bool tape, double step)
{
    memset(b, 0, sizeof *b);
    golden_open(&b->g, golden);
    arena_init(&b->arena);
    b->run = (Run){.arena = &b->arena, .error = &b->error};
    if (tape)
        b->run.tape = tape_new(&b->run);
    b->step = step;
}

static void bench_close(Bench *b)
{
    arena_free(&b->arena);
    free(b->g.ratio);
    safetensors_close(&b->g.tensors);
    json_close(&b->g.notes);
}

/* The direction in which element i of the n-th input is moved: no symmetry that a wrong gradient could share. */
static double pattern(int n, int64_t i)
{
    return sin(1.3 * (double)i + 0.7 * n + 0.4) * (n + 1);
}

/* How far the pattern moves an input: as its own size, at most 1. */
static double input_size(const Tensor *t)
{
    double sum = 0;
    for (int64_t i = 0; i < t->count; i++)
        sum += tensor_value(t, i) * tensor_value(t, i);
    return fmin(1, sqrt(sum / (double)t->count));
}

static float *bench_values(Bench *b, const Tensor *t)
{
    float *data = arena_alloc(&b->arena, t->count, sizeof *data, &b->error);
    double size = input_size(t);
    assert_non_null(data);
    assert_true(b->inputs < BENCH_INPUTS);
    for (int64_t i = 0; i < t->count; i++)
        data[i] = (float)(tensor_value(t, i) + b->step * size * pattern(b->inputs, i));
    return data;
}

Mat *bench_mat(Bench *b, const char *tensor)
{
    const Tensor *t = golden_tensor(&b->g, tensor);
    Mat *m = mat_new(&b->run, t->dim[0], t->dim[1]);
    assert_non_null(m);
    assert_int_equal(t->ndim, 2);
    m->data = bench_values(b, t);
    b->input[b->inputs].name = tensor;
    b->input[b->inputs++].mat = m;
    return m;
}

Param *bench_param(Bench *b, const char *tensor)
{
    const Tensor *t = golden_tensor(&b->g, tensor);
    Param *p = arena_zero(&b->arena, 1, sizeof *p, &b->error);
    assert_non_null(p);
    *p = (Param){.name = tensor, .ndim = t->ndim, .count = t->count, .dtype = F32, .stored = F32};
    memcpy(p->dim, t->dim, sizeof p->dim);
    p->data = p->master = bench_values(b, t);
    p->grad = b->run.tape ? arena_zero(&b->arena, t->count, sizeof *p->grad, &b->error) : NULL;
    for (int64_t i = 0; p->grad && i < t->count; i++)
        p->grad[i] = b->before;
    b->input[b->inputs].name = tensor;
    b->input[b->inputs++].param = p;
    return p;
}

int32_t *bench_ints(Bench *b, const char *tensor)
{
    const Tensor *t = golden_tensor(&b->g, tensor);
    int32_t *data = arena_alloc(&b->arena, t->count, sizeof *data, &b->error);
    assert_non_null(data);
    for (int64_t i = 0; i < t->count; i++)
        data[i] = (int32_t)tensor_value(t, i);
    return data;
}

static const float *input_grad(Bench *b, int i, int64_t *count)
{
    Mat *m = b->input[i].mat;
    *count = m ? m->rows * m->cols : b->input[i].param->count;
    return m ? mat_grad(&b->run, m) : b->input[i].param->grad;
}

/* Forward; with a tape backward too, from the golden upstream gradient. */
static Mat *bench_pass(Bench *b, BenchForward *forward)
{
    Mat *y = forward(b);
    if (!y)
        fail_msg("%s: %s", b->g.name, b->error.text);
    y->data = mat_values(&b->run, y);
    const Tensor *dy = golden_tensor(&b->g, "dy");
    assert_int_equal(dy->count, y->rows * y->cols);
    float *grad = b->run.tape ? mat_grad(&b->run, y) : NULL;
    for (int64_t i = 0; grad && i < dy->count; i++)
        grad[i] = (float)tensor_value(dy, i);
    if (grad)
        run_backward(&b->run);
    assert_int_equal(b->error.status, OK);
    return y;
}

static bool check_golden(const char *golden, BenchForward *forward, const char *read)
{
    Bench b;
    bench_open(&b, golden, true, 0);
    Mat *y = bench_pass(&b, forward);
    bool good = golden_close_to(&b.g, "y", y->data, y->rows * y->cols, golden_pass_limit, read);
    for (int i = 0; i < b.inputs; i++) {
        char name[60];
        int64_t count;
        snprintf(name, sizeof name, "d%s", b.input[i].name);
        const float *grad = input_grad(&b, i, &count);
        good &= golden_close_to(&b.g, name, grad, count, golden_pass_limit, read);
    }
    arena_free(&b.arena);
    golden_close(&b.g);
    return good;
}

/* The output and, with a tape, all gradients of one pass, one after another; owned by the caller. */
static float *all_values(const char *golden, BenchForward *forward, bool tape, int threads, int64_t *count)
{
    Bench b;
    parallel_set_threads(threads);
    bench_open(&b, golden, tape, 0);
    Mat *y = bench_pass(&b, forward);
    float *out = NULL;
    *count = 0;
    for (int i = -1; i < (tape ? b.inputs : 0); i++) {
        int64_t n = y->rows * y->cols;
        const float *from = i < 0 ? y->data : input_grad(&b, i, &n);
        out = memory_grow(out, *count + n, sizeof *out, NULL);
        assert_non_null(out);
        memcpy(out + *count, from, (size_t)n * sizeof *out);
        *count += n;
    }
    bench_close(&b);
    parallel_set_threads(0);
    return out;
}

static void check_bits(const char *golden, BenchForward *forward, const char *read)
{
    int64_t count, plain_count, again_count;
    float *tape = all_values(golden, forward, true, 1, &count), *plain = all_values(golden, forward, false, 1, &plain_count);
    float *again = all_values(golden, forward, true, 4, &again_count);
    assert_int_equal(count, again_count);
    if (memcmp(tape, plain, (size_t)plain_count * sizeof *tape))
        fail_msg("%s: other bits without a tape than with one; read %s", golden, read);
    if (memcmp(tape, again, (size_t)count * sizeof *tape))
        fail_msg("%s: other bits with 4 threads than with 1; read %s", golden, read);
    free(tape);
    free(plain);
    free(again);
}

/* Gradients of parameters are added to what is there, as accumulation over micro-batches needs. */
static void check_adds(const char *golden, BenchForward *forward, const char *read)
{
    Bench none, some;
    bench_open(&none, golden, true, 0);
    bench_open(&some, golden, true, 0);
    some.before = 0.5f;
    bench_pass(&none, forward);
    bench_pass(&some, forward);
    for (int i = 0; i < none.inputs; i++) {
        const Param *p = none.input[i].param, *q = some.input[i].param;
        for (int64_t j = 0; p && j < p->count; j++)
            if (!(fabs((double)q->grad[j] - (double)p->grad[j] - 0.5) <= 1e-6 * (1 + fabs((double)p->grad[j]))))
                fail_msg("%s: the gradient of %s is not added to what was there; read %s", golden, p->name, read);
    }
    bench_close(&some);
    bench_close(&none);
}

/* sum(dy y) with the inputs moved by step along the pattern */
static double moved(const char *golden, BenchForward *forward, double step)
{
    Bench b;
    bench_open(&b, golden, false, step);
    Mat *y = bench_pass(&b, forward);
    const Tensor *dy = golden_tensor(&b.g, "dy");
    double sum = 0;
    for (int64_t i = 0; i < dy->count; i++)
        sum += tensor_value(dy, i) * (double)y->data[i];
    bench_close(&b);
    return sum;
}

/* The slope of sum(dy y) along the pattern: from our gradients, and by central differences extrapolated from two steps. Float32 values leave about three
 * digits: enough to see a wrong formula without any golden. */
static void check_slope(const char *golden, BenchForward *forward, const char *read)
{
    const double h = 1.0 / 64;
    Bench b;
    bench_open(&b, golden, true, 0);
    bench_pass(&b, forward);
    double slope = 0, size = 0;
    for (int i = 0; i < b.inputs; i++) {
        int64_t count;
        const float *grad = input_grad(&b, i, &count);
        double scale = input_size(golden_tensor(&b.g, b.input[i].name));
        for (int64_t j = 0; j < count; j++) {
            double part = scale * pattern(i, j) * (double)grad[j];
            slope += part;
            size += part * part;
        }
    }
    bench_close(&b);
    double wide = (moved(golden, forward, h) - moved(golden, forward, -h)) / (2 * h);
    double narrow = (moved(golden, forward, h / 2) - moved(golden, forward, -h / 2)) / h;
    double difference = fabs((4 * narrow - wide) / 3 - slope);
    if (!(difference <= 2e-3 * sqrt(size)))
        fail_msg("%s: the slope is %.9g by its gradients, %.9g by central differences; read %s", golden, slope, (4 * narrow - wide) / 3, read);
}

void bench_layer(const char *golden, BenchForward *forward, const char *read)
{
    if (!check_golden(golden, forward, read))
        fail_msg("%s; read %s", golden, read);
    check_bits(golden, forward, read);
    check_adds(golden, forward, read);
    check_slope(golden, forward, read);
}
