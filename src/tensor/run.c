/* Matrices in the arena of a pass. A matrix has its values, or computes them on demand, or is a
 * view of another one's columns or rows; its gradient appears when somebody first asks for it. */
#include "tensor/run.h"

#include "base/parallel.h"

void *run_alloc(Run *run, int64_t count, size_t size)
{
    return arena_alloc(run->arena, count, size, run->error);
}

static float *floats_new(Run *run, int64_t rows, int64_t cols)
{
    if (!cols || rows <= INT64_MAX / cols)
        return run_alloc(run, rows * cols, sizeof(float));
    error_set(run->error, NO_MEMORY, "a matrix of %lld x %lld is too large", (long long)rows,
              (long long)cols);
    return NULL;
}

Mat *mat_lazy(Run *run, int64_t rows, int64_t cols, Compute *compute, const void *inputs)
{
    Mat *m = run_alloc(run, 1, sizeof *m);
    if (m)
        *m = (Mat){.rows = rows, .cols = cols, .stride = cols, .compute = compute, .inputs = inputs};
    return m;
}

Mat *mat_new(Run *run, int64_t rows, int64_t cols)
{
    Mat *m = mat_lazy(run, rows, cols, NULL, NULL);
    float *data = floats_new(run, rows, cols);
    if (!m || !data)
        return NULL;
    m->data = data;
    return m;
}

float *mat_values(Run *run, const Mat *x)
{
    if (x->data)
        return x->data;
    float *data = floats_new(run, x->rows, x->cols);
    if (data)
        x->compute(data, x->inputs);
    return data;
}

Mat *mat_columns(Run *run, Mat *x, int64_t first, int64_t count)
{
    Mat *m = x ? run_alloc(run, 1, sizeof *m) : NULL;
    if (!m)
        return NULL;
    assert(x->data && first >= 0 && first + count <= x->cols);
    *m = (Mat){.rows = x->rows,
               .cols = count,
               .stride = x->stride,
               .data = x->data + first,
               .base = x,
               .first = first};
    return m;
}

Mat *mat_rows(Run *run, Mat *x, int64_t first, int64_t count)
{
    Mat *m = x ? run_alloc(run, 1, sizeof *m) : NULL;
    if (!m)
        return NULL;
    assert(x->data && first >= 0 && first + count <= x->rows);
    *m = (Mat){.rows = count,
               .cols = x->cols,
               .stride = x->stride,
               .data = x->data + first * x->stride,
               .base = x,
               .first = first * x->stride};
    return m;
}

float *mat_grad(Run *run, Mat *x)
{
    if (x->base) {
        float *grad = mat_grad(run, x->base);
        return grad ? grad + x->first : NULL;
    }
    if (!x->grad) {
        x->grad = floats_new(run, x->rows, x->cols);
        if (x->grad)
            parallel_clear(x->grad, x->rows * x->cols);
    }
    return x->grad;
}
