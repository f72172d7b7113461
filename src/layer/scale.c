/* Layer scale: y[n,d] = x[n,d] s[d]. The sum over rows is in double. (InternVisionEncoderLayer's ls1
 * and ls2) */
#include "layer/layer.h"

#include "base/number.h"
#include "base/parallel.h"

enum { COLUMNS = 32 };

void scale_fwd(float *y, const float *x, const float *s, int64_t N, int64_t D)
{
#pragma omp parallel for if (parallel_worth(N * D))
    for (int64_t n = 0; n < N; n++)
        for (int64_t d = 0; d < D; d++)
            y[n * D + d] = x[n * D + d] * s[d];
}

/* forward: y = x s in every row, so dx += dy s, and ds += sum over rows of dy x, in their order */
void scale_bwd(float *dx, float *ds, const float *dy, const float *x, const float *s, int64_t N, int64_t D)
{
#pragma omp parallel for if (parallel_worth(N * D))
    for (int64_t n = 0; n < N; n++)
        for (int64_t d = 0; d < D; d++)
            dx[n * D + d] += dy[n * D + d] * s[d];
    if (!ds)
        return;
#pragma omp parallel for if (parallel_worth(N * D))
    for (int64_t d0 = 0; d0 < D; d0 += COLUMNS) {
        const int64_t columns = min_i64(D - d0, COLUMNS);
        double sum[COLUMNS] = {0};
        for (int64_t n = 0; n < N; n++)
            for (int64_t j = 0; j < columns; j++)
                sum[j] += (double)dy[n * D + d0 + j] * (double)x[n * D + d0 + j];
        for (int64_t j = 0; j < columns; j++)
            ds[d0 + j] += (float)sum[j];
    }
}

typedef struct {
    Param *scale;
    Mat *x, *y;
    float *s;
} Saved;

static void backward(Run *run, void *p)
{
    const Saved *v = p;
    const float *dy = mat_grad(run, v->y);
    float *dx = mat_grad(run, v->x);
    if (dy && dx)
        scale_bwd(dx, v->scale->grad, dy, v->x->data, v->s, v->x->rows, v->x->cols);
}

Mat *scale_columns(Run *run, Param *scale, Mat *x)
{
    if (!x)
        return NULL;
    assert(scale->count == x->cols && x->stride == x->cols);
    Mat *y = mat_new(run, x->rows, x->cols);
    float *s = run_alloc(run, x->cols, sizeof *s);
    if (!y || !s)
        return NULL;
    weight_widen(s, &scale->weight, 0, x->cols);
    scale_fwd(y->data, x->data, s, x->rows, x->cols);
    Saved *v = tape_record(run, backward, sizeof *v);
    if (v)
        *v = (Saved){scale, x, y, s};
    return y;
}
