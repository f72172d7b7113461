/* Activations and the residual sum, element by element. An activation is computed on demand, by
 * the linear layer that follows it. s is the logistic function, s(x) = 1 / (1 + exp(-x)).
 *
 *   gelu        f(x)  = x/2 (1 + erf(x / sqrt 2))
 *               f'(x) = (1 + erf(x / sqrt 2)) / 2 + x exp(-x^2 / 2) / sqrt(2 pi)
 *   the others  f(x)  = x s(u(x)),  f'(x) = s + x u' s (1 - s):
 *   gelu_tanh   u = 2 sqrt(2 / pi) (x + 0.044715 x^3), because (1 + tanh v) / 2 = s(2 v)
 *   quick_gelu  u = 1.702 x
 *   silu        u = x
 *
 * (GELUActivation, PytorchGELUTanh, QuickGELUActivation, SiLU) */
#include "layer/layer.h"

#include "base/elementary.h"
#include "base/erf_table.h"
#include "base/number.h"
#include "base/parallel.h"
#include "kernel/kernels.h"

#include <math.h>

enum { CHUNK = 1024 }; /* elements that a thread takes at a time */

/* value[count] = f(x), slope[count] = f'(x); slope may be NULL, and so may the table, which only gelu has */
typedef void Function(const ErfTable *t, float *value, float *slope, const float *x, int64_t count);

static const double root_half = 0.7071067811865476;

static double gelu_slope(double v, double half)
{
    return half + v * exact_exp(-0.5 * v * v) * 0.3989422804014327;
}

static void gelu_at(float *value, float *slope, float x)
{
    const double v = (double)x;
    const double half = 0.5 * (1 + exact_erf(v * root_half));
    *value = (float)(v * half);
    if (slope)
        *slope = (float)gelu_slope(v, half);
}

/* The bits of gelu_at(), faster, or false: erf comes from the table. Each step from erf to the float32 rounds in
 * one direction, so what is the same for erf_near() less and plus ERF_NEAR is the same for exact_erf() between
 * them; where it is not the same, exact_erf() has to decide. */
static bool gelu_near(const ErfTable *t, float *value, float *slope, float x)
{
    const double v = (double)x;
    const double erf = erf_near(t, v * root_half);
    const double less = 0.5 * (1 + (erf - ERF_NEAR));
    const double more = 0.5 * (1 + (erf + ERF_NEAR));
    *value = (float)(v * less);
    if (islessgreater(*value, (float)(v * more)))
        return false;
    if (!slope)
        return true;
    *slope = (float)gelu_slope(v, less);
    return !islessgreater(*slope, (float)gelu_slope(v, more));
}

static void gelu_of(const ErfTable *t, float *value, float *slope, const float *x, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        const float at = x[i]; /* value may be x */
        float *slope_at = slope ? slope + i : NULL;
        if (!t || !gelu_near(t, value + i, slope_at, at))
            gelu_at(value + i, slope_at, at);
    }
}

/* f and f' from u in `value` and u' in `slope` */
static void finish(float *value, float *slope, const float *x, int64_t count)
{
    kernels->sigmoid(value, count);
    for (int64_t i = 0; slope && i < count; i++)
        slope[i] = value[i] + x[i] * slope[i] * value[i] * (1 - value[i]);
    for (int64_t i = 0; i < count; i++)
        value[i] *= x[i];
}

static void gelu_tanh_at(const ErfTable *t, float *value, float *slope, const float *x, int64_t count)
{
    (void)t;
    const float c = 1.5957691216057308f; /* 2 sqrt(2 / pi) */
    const float d = 0.044715f;
    for (int64_t i = 0; i < count; i++)
        value[i] = c * (x[i] + d * x[i] * x[i] * x[i]);
    for (int64_t i = 0; slope && i < count; i++)
        slope[i] = c * (1 + 3 * d * x[i] * x[i]);
    finish(value, slope, x, count);
}

static void quick_gelu_at(const ErfTable *t, float *value, float *slope, const float *x, int64_t count)
{
    (void)t;
    for (int64_t i = 0; i < count; i++)
        value[i] = 1.702f * x[i];
    for (int64_t i = 0; slope && i < count; i++)
        slope[i] = 1.702f;
    finish(value, slope, x, count);
}

static void silu_at(const ErfTable *t, float *value, float *slope, const float *x, int64_t count)
{
    (void)t;
    for (int64_t i = 0; i < count; i++)
        value[i] = x[i];
    for (int64_t i = 0; slope && i < count; i++)
        slope[i] = 1;
    finish(value, slope, x, count);
}

static void map_fwd(Function *f, const ErfTable *t, float *y, const float *x, int64_t count)
{
#pragma omp parallel for if (parallel_worth(8 * count))
    for (int64_t at = 0; at < count; at += CHUNK)
        f(t, y + at, NULL, x + at, min_i64(count - at, CHUNK));
}

/* forward: y = f(x), so dx += dy f'(x) */
static void map_bwd(Function *f, const ErfTable *t, float *dx, const float *dy, const float *x, int64_t count)
{
#pragma omp parallel for if (parallel_worth(8 * count))
    for (int64_t at = 0; at < count; at += CHUNK) {
        const int64_t n = min_i64(count - at, CHUNK);
        float value[CHUNK];
        float slope[CHUNK];
        f(t, value, slope, x + at, n);
        for (int64_t i = 0; i < n; i++)
            dx[at + i] += dy[at + i] * slope[i];
    }
}

/* The table, where there are enough elements to be worth its making; else NULL. */
static const ErfTable *table_for(ErfTable *t, int64_t count)
{
    if (count < 2 * CHUNK)
        return NULL;
    erf_table_make(t);
    return t;
}

void gelu_fwd(float *y, const float *x, int64_t count)
{
    ErfTable t;
    map_fwd(gelu_of, table_for(&t, count), y, x, count);
}

void gelu_bwd(float *dx, const float *dy, const float *x, int64_t count)
{
    ErfTable t;
    map_bwd(gelu_of, table_for(&t, count), dx, dy, x, count);
}

void gelu_tanh_fwd(float *y, const float *x, int64_t count)
{
    map_fwd(gelu_tanh_at, NULL, y, x, count);
}

void gelu_tanh_bwd(float *dx, const float *dy, const float *x, int64_t count)
{
    map_bwd(gelu_tanh_at, NULL, dx, dy, x, count);
}

void quick_gelu_fwd(float *y, const float *x, int64_t count)
{
    map_fwd(quick_gelu_at, NULL, y, x, count);
}

void quick_gelu_bwd(float *dx, const float *dy, const float *x, int64_t count)
{
    map_bwd(quick_gelu_at, NULL, dx, dy, x, count);
}

void swiglu_fwd(float *y, const float *gate, const float *up, int64_t count)
{
#pragma omp parallel for if (parallel_worth(8 * count))
    for (int64_t at = 0; at < count; at += CHUNK) {
        const int64_t n = min_i64(count - at, CHUNK);
        silu_at(NULL, y + at, NULL, gate + at, n);
        for (int64_t i = 0; i < n; i++)
            y[at + i] *= up[at + i];
    }
}

/* forward: y = f(gate) up, so dgate += dy up f'(gate), dup += dy f(gate) */
void swiglu_bwd(float *dgate, float *dup, const float *dy, const float *gate, const float *up, int64_t count)
{
#pragma omp parallel for if (parallel_worth(8 * count))
    for (int64_t at = 0; at < count; at += CHUNK) {
        const int64_t n = min_i64(count - at, CHUNK);
        float value[CHUNK];
        float slope[CHUNK];
        silu_at(NULL, value, slope, gate + at, n);
        for (int64_t i = 0; i < n; i++) {
            dgate[at + i] += dy[at + i] * up[at + i] * slope[i];
            dup[at + i] += dy[at + i] * value[i];
        }
    }
}

void add_fwd(float *y, const float *x, int64_t count)
{
#pragma omp parallel for if (parallel_worth(8 * count))
    for (int64_t i = 0; i < count; i++)
        y[i] += x[i];
}

/* forward: y += x, so dx += dy; the gradient of the old y is dy itself */
void add_bwd(float *dx, const float *dy, int64_t count)
{
    add_fwd(dx, dy, count);
}

/* What both computing the values and, with a tape, the backward will be given. NULL after a
 * failure. */
static void *record(Run *run, Backward *backward, size_t size)
{
    return run->tape ? tape_record(run, backward, size) : run_alloc(run, 1, size);
}

typedef struct {
    void (*fwd)(float *y, const float *x, int64_t count);
    void (*bwd)(float *dx, const float *dy, const float *x, int64_t count);
} Kernel;

typedef struct {
    Kernel f;
    Mat *x, *y;
} Saved;

static void compute(float *out, const void *inputs)
{
    const Saved *s = inputs;
    s->f.fwd(out, s->x->data, s->x->rows * s->x->cols);
}

static void backward(Run *run, void *p)
{
    const Saved *s = p;
    const float *dy = mat_grad(run, s->y);
    float *dx = mat_grad(run, s->x);
    if (dx && dy)
        s->f.bwd(dx, dy, s->x->data, s->x->rows * s->x->cols);
}

static Mat *elementwise(Run *run, Kernel f, Mat *x)
{
    Saved *s = x ? record(run, backward, sizeof *s) : NULL;
    Mat *y = s ? mat_lazy(run, x->rows, x->cols, compute, s) : NULL;
    if (!y)
        return NULL;
    assert(x->stride == x->cols);
    *s = (Saved){f, x, y};
    return y;
}

Mat *gelu(Run *run, Mat *x)
{
    return elementwise(run, (Kernel){gelu_fwd, gelu_bwd}, x);
}

Mat *gelu_tanh(Run *run, Mat *x)
{
    return elementwise(run, (Kernel){gelu_tanh_fwd, gelu_tanh_bwd}, x);
}

Mat *quick_gelu(Run *run, Mat *x)
{
    return elementwise(run, (Kernel){quick_gelu_fwd, quick_gelu_bwd}, x);
}

typedef struct {
    Mat *a, *b, *y;
} SavedPair;

/* gate and up may be columns of one matrix, as a joined product gives them: then row by row. */
static bool is_whole(const Mat *m)
{
    return m->stride == m->cols;
}

static void swiglu_compute(float *out, const void *inputs)
{
    const SavedPair *s = inputs;
    const int64_t N = s->a->rows;
    const int64_t F = s->a->cols;
    if (is_whole(s->a) && is_whole(s->b)) {
        swiglu_fwd(out, s->a->data, s->b->data, N * F);
        return;
    }
#pragma omp parallel for if (parallel_worth(8 * N * F))
    for (int64_t n = 0; n < N; n++)
        swiglu_fwd(out + n * F, s->a->data + n * s->a->stride, s->b->data + n * s->b->stride, F);
}

static void swiglu_backward(Run *run, void *p)
{
    const SavedPair *s = p;
    const int64_t N = s->a->rows;
    const int64_t F = s->a->cols;
    const float *dy = mat_grad(run, s->y);
    float *da = mat_grad(run, s->a);
    float *db = mat_grad(run, s->b);
    if (!dy || !da || !db)
        return;
    if (is_whole(s->a) && is_whole(s->b)) {
        swiglu_bwd(da, db, dy, s->a->data, s->b->data, N * F);
        return;
    }
#pragma omp parallel for if (parallel_worth(8 * N * F))
    for (int64_t n = 0; n < N; n++) {
        const int64_t a = n * s->a->stride;
        const int64_t b = n * s->b->stride;
        swiglu_bwd(da + a, db + b, dy + n * F, s->a->data + a, s->b->data + b, F);
    }
}

static bool same_shape(const Mat *a, const Mat *b)
{
    return a->rows == b->rows && a->cols == b->cols;
}

Mat *swiglu(Run *run, Mat *gate, Mat *up)
{
    SavedPair *s = gate && up ? record(run, swiglu_backward, sizeof *s) : NULL;
    Mat *y = s ? mat_lazy(run, gate->rows, gate->cols, swiglu_compute, s) : NULL;
    if (!y)
        return NULL;
    assert(same_shape(gate, up));
    *s = (SavedPair){gate, up, y};
    return y;
}

static void add_backward(Run *run, void *p)
{
    const SavedPair *s = p;
    const float *dy = mat_grad(run, s->y);
    float *da = mat_grad(run, s->a);
    if (dy && da)
        add_bwd(da, dy, s->a->rows * s->a->cols);
}

Mat *add(Run *run, Mat *a, Mat *b)
{
    if (!a || !b)
        return NULL;
    assert(same_shape(a, b) && is_whole(a) && is_whole(b));
    add_fwd(b->data, a->data, b->rows * b->cols);
    SavedPair *s = tape_record(run, add_backward, sizeof *s);
    if (s)
        *s = (SavedPair){a, NULL, b};
    return b;
}
