/* Activations and the residual sum, element by element. An activation's values are not kept: the
 * linear layer behind it has them formed when it needs them.
 *   gelu        f(x) = x/2 (1 + erf(x/sqrt 2))                     f' = (1 + erf(x/sqrt 2))/2 + x
 *   exp(-x^2/2)/sqrt(2 pi)
 *   gelu_tanh   f(x) = x/2 (1 + tanh u), u = c (x + 0.044715 x^3)  f' = (1 + tanh u)/2 + x/2 (1 -
 *   tanh^2 u) c (1 + 3 * 0.044715 x^2), c = sqrt(2/pi)
 *   quick_gelu  f(x) = x s(1.702 x)                                f' = s + 1.702 x s (1 - s)
 *   silu        f(x) = x s(x)                                      f' = s (1 + x (1 - s))
 * s is the logistic function. (GELUActivation, PytorchGELUTanh, QuickGELUActivation, SiLU.) */
#include "layer/layer.h"

#include "base/elementary.h"
#include "base/parallel.h"
#include "kernel/kernels.h"

enum { CHUNK = 1024 }; /* elements that a thread takes at a time */

/* value and slope [count], both of the function at x; slope may be NULL */
typedef void Function(float *value, float *slope, const float *x, int64_t count);

static void gelu_at(float *value, float *slope, const float *x, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        double v = (double)x[i], half = 0.5 * (1 + exact_erf(v * 0.7071067811865476));
        value[i] = (float)(v * half);
        if (slope)
            slope[i] = (float)(half + v * exact_exp(-0.5 * v * v) * 0.3989422804014327);
    }
}

/* The others are x s(u(x)); (1 + tanh u)/2 = s(2u). With s in `value` and u' in `slope`, both
 * become what is asked for. */
static void finish(float *value, float *slope, const float *x, int64_t count)
{
    kernels->sigmoid(value, count);
    for (int64_t i = 0; slope && i < count; i++)
        slope[i] = value[i] + x[i] * slope[i] * value[i] * (1 - value[i]);
    for (int64_t i = 0; i < count; i++)
        value[i] *= x[i];
}

static void gelu_tanh_at(float *value, float *slope, const float *x, int64_t count)
{
    const float c = 1.5957691216057308f, d = 0.044715f; /* c: 2 sqrt(2/pi) */
    for (int64_t i = 0; i < count; i++)
        value[i] = c * (x[i] + d * x[i] * x[i] * x[i]);
    for (int64_t i = 0; slope && i < count; i++)
        slope[i] = c * (1 + 3 * d * x[i] * x[i]);
    finish(value, slope, x, count);
}

static void quick_gelu_at(float *value, float *slope, const float *x, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        value[i] = 1.702f * x[i];
    for (int64_t i = 0; slope && i < count; i++)
        slope[i] = 1.702f;
    finish(value, slope, x, count);
}

static void silu_at(float *value, float *slope, const float *x, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        value[i] = x[i];
    for (int64_t i = 0; slope && i < count; i++)
        slope[i] = 1;
    finish(value, slope, x, count);
}

/* What forming the values and, with a tape, going back are both given; NULL after a failure. */
static void *record(Run *run, Backward *back, size_t size)
{
    return run->tape ? tape_record(run, back, size) : run_alloc(run, 1, size);
}

static int64_t chunk_size(int64_t first, int64_t count)
{
    return count - first < CHUNK ? count - first : CHUNK;
}

typedef struct {
    Function *f;
    Mat *x, *y;
} Saved;

static void backward(Run *run, void *p)
{
    Saved *s = p;
    float *dy = mat_grad(run, s->y), *dx = mat_grad(run, s->x);
    if (!dy || !dx)
        return;
    int64_t count = s->x->rows * s->x->cols;
#pragma omp parallel for if (parallel_worth(8 * count))
    for (int64_t at = 0; at < count; at += CHUNK) {
        float value[CHUNK], slope[CHUNK];
        int64_t n = chunk_size(at, count);
        s->f(value, slope, s->x->data + at, n);
        for (int64_t i = 0; i < n; i++)
            dx[at + i] += dy[at + i] * slope[i];
    }
}

static void fill(float *out, const void *from)
{
    const Saved *s = from;
    int64_t count = s->x->rows * s->x->cols;
#pragma omp parallel for if (parallel_worth(8 * count))
    for (int64_t at = 0; at < count; at += CHUNK)
        s->f(out + at, NULL, s->x->data + at, chunk_size(at, count));
}

static Mat *elementwise(Run *run, Function *f, Mat *x)
{
    Saved *s = x ? record(run, backward, sizeof *s) : NULL;
    Mat *y = s ? mat_lazy(run, x->rows, x->cols, fill, s) : NULL;
    if (!y)
        return NULL;
    assert(x->stride == x->cols);
    *s = (Saved){f, x, y};
    return y;
}

Mat *gelu(Run *run, Mat *x)
{
    return elementwise(run, gelu_at, x);
}

Mat *gelu_tanh(Run *run, Mat *x)
{
    return elementwise(run, gelu_tanh_at, x);
}

Mat *quick_gelu(Run *run, Mat *x)
{
    return elementwise(run, quick_gelu_at, x);
}

typedef struct {
    Mat *a, *b, *y;
} SavedPair;

/* y = f(a) b:  da += dy b f'(a),  db += dy f(a) */
static void swiglu_backward(Run *run, void *p)
{
    SavedPair *s = p;
    float *dy = mat_grad(run, s->y), *da = mat_grad(run, s->a), *db = mat_grad(run, s->b);
    if (!dy || !da || !db)
        return;
    int64_t count = s->y->rows * s->y->cols;
#pragma omp parallel for if (parallel_worth(8 * count))
    for (int64_t at = 0; at < count; at += CHUNK) {
        float value[CHUNK], slope[CHUNK];
        int64_t n = chunk_size(at, count);
        silu_at(value, slope, s->a->data + at, n);
        for (int64_t i = 0; i < n; i++) {
            da[at + i] += dy[at + i] * s->b->data[at + i] * slope[i];
            db[at + i] += dy[at + i] * value[i];
        }
    }
}

static void swiglu_fill(float *out, const void *from)
{
    const SavedPair *s = from;
    int64_t count = s->y->rows * s->y->cols;
#pragma omp parallel for if (parallel_worth(8 * count))
    for (int64_t at = 0; at < count; at += CHUNK) {
        int64_t n = chunk_size(at, count);
        silu_at(out + at, NULL, s->a->data + at, n);
        for (int64_t i = 0; i < n; i++)
            out[at + i] *= s->b->data[at + i];
    }
}

static bool same_shape(const Mat *a, const Mat *b)
{
    return a->rows == b->rows && a->cols == b->cols && a->stride == a->cols && b->stride == b->cols;
}

Mat *swiglu(Run *run, Mat *gate, Mat *up)
{
    SavedPair *s = gate && up ? record(run, swiglu_backward, sizeof *s) : NULL;
    Mat *y = s ? mat_lazy(run, gate->rows, gate->cols, swiglu_fill, s) : NULL;
    if (!y)
        return NULL;
    assert(same_shape(gate, up));
    *s = (SavedPair){gate, up, y};
    return y;
}

/* da += dy; b's gradient is y's own. */
static void add_backward(Run *run, void *p)
{
    SavedPair *s = p;
    float *dy = mat_grad(run, s->y), *da = mat_grad(run, s->a);
    if (!dy || !da)
        return;
    int64_t count = s->y->rows * s->y->cols;
#pragma omp parallel for if (parallel_worth(8 * count))
    for (int64_t i = 0; i < count; i++)
        da[i] += dy[i];
}

Mat *add(Run *run, Mat *a, Mat *b)
{
    if (!a || !b)
        return NULL;
    assert(same_shape(a, b));
    int64_t count = b->rows * b->cols;
#pragma omp parallel for if (parallel_worth(8 * count))
    for (int64_t i = 0; i < count; i++)
        b->data[i] += a->data[i];
    SavedPair *s = tape_record(run, add_backward, sizeof *s);
    if (s)
        *s = (SavedPair){a, b, b};
    return b;
}
