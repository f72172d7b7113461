/* Activations and the residual sum, element by element.
 *   gelu        f(x) = x/2 (1 + erf(x/sqrt 2))                     f' = (1 + erf(x/sqrt 2))/2 + x exp(-x^2/2)/sqrt(2 pi)
 *   gelu_tanh   f(x) = x/2 (1 + tanh u), u = c (x + 0.044715 x^3)  f' = (1 + tanh u)/2 + x/2 (1 - tanh^2 u) c (1 + 3 * 0.044715 x^2), c = sqrt(2/pi)
 *   quick_gelu  f(x) = x s(1.702 x)                                f' = s + 1.702 x s (1 - s)
 *   silu        f(x) = x s(x)                                      f' = s (1 + x (1 - s))
 * s is the logistic function. (GELUActivation, PytorchGELUTanh, QuickGELUActivation, SiLU.) */
#include "layer/layer.h"

#include "base/elementary.h"
#include "base/parallel.h"

/* Value and derivative at x. */
typedef struct {
    double f, df;
} Point;
typedef Point Function(double x);

static Point gelu_at(double x)
{
    double half = 0.5 * (1 + exact_erf(x * 0.7071067811865476));
    return (Point){x * half, half + x * exact_exp(-0.5 * x * x) * 0.3989422804014327};
}

static Point gelu_tanh_at(double x)
{
    const double c = 0.7978845608028654;
    double t = exact_tanh(c * (x + 0.044715 * x * x * x));
    return (Point){0.5 * x * (1 + t), 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * c * (1 + 3 * 0.044715 * x * x)};
}

static Point quick_gelu_at(double x)
{
    double s = exact_sigmoid(1.702 * x);
    return (Point){x * s, s + 1.702 * x * s * (1 - s)};
}

static Point silu_at(double x)
{
    double s = exact_sigmoid(x);
    return (Point){x * s, s * (1 + x * (1 - s))};
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
    for (int64_t i = 0; i < count; i++)
        dx[i] += (float)((double)dy[i] * s->f((double)s->x->data[i]).df);
}

static Mat *elementwise(Run *run, Function *f, Mat *x)
{
    Mat *y = x ? mat_new(run, x->rows, x->cols) : NULL;
    if (!y)
        return NULL;
    assert(x->stride == x->cols);
    int64_t count = x->rows * x->cols;
#pragma omp parallel for if (parallel_worth(8 * count))
    for (int64_t i = 0; i < count; i++)
        y->data[i] = (float)f((double)x->data[i]).f;
    Saved *s = tape_record(run, backward, sizeof *s);
    if (s)
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
    for (int64_t i = 0; i < count; i++) {
        Point silu = silu_at((double)s->a->data[i]);
        da[i] += (float)((double)dy[i] * (double)s->b->data[i] * silu.df);
        db[i] += (float)((double)dy[i] * silu.f);
    }
}

/* y = a + b:  da += dy,  db += dy */
static void add_backward(Run *run, void *p)
{
    SavedPair *s = p;
    float *dy = mat_grad(run, s->y), *da = mat_grad(run, s->a), *db = mat_grad(run, s->b);
    if (!dy || !da || !db)
        return;
    int64_t count = s->y->rows * s->y->cols;
#pragma omp parallel for if (parallel_worth(8 * count))
    for (int64_t i = 0; i < count; i++) {
        da[i] += dy[i];
        db[i] += dy[i];
    }
}

static Mat *pair_new(Run *run, Mat *a, Mat *b)
{
    if (!a || !b)
        return NULL;
    assert(a->rows == b->rows && a->cols == b->cols && a->stride == a->cols && b->stride == b->cols);
    return mat_new(run, a->rows, a->cols);
}

Mat *swiglu(Run *run, Mat *gate, Mat *up)
{
    Mat *y = pair_new(run, gate, up);
    if (!y)
        return NULL;
    int64_t count = y->rows * y->cols;
#pragma omp parallel for if (parallel_worth(8 * count))
    for (int64_t i = 0; i < count; i++)
        y->data[i] = (float)(silu_at((double)gate->data[i]).f * (double)up->data[i]);
    SavedPair *s = tape_record(run, swiglu_backward, sizeof *s);
    if (s)
        *s = (SavedPair){gate, up, y};
    return y;
}

Mat *add(Run *run, Mat *a, Mat *b)
{
    Mat *y = pair_new(run, a, b);
    if (!y)
        return NULL;
    int64_t count = y->rows * y->cols;
#pragma omp parallel for if (parallel_worth(8 * count))
    for (int64_t i = 0; i < count; i++)
        y->data[i] = a->data[i] + b->data[i];
    SavedPair *s = tape_record(run, add_backward, sizeof *s);
    if (s)
        *s = (SavedPair){a, b, y};
    return y;
}
