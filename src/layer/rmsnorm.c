/* RMSNorm: y = x rstd w, rstd = 1 / sqrt(mean(x^2) + eps). Sums are in double. (Qwen2RMSNorm,
 * LlamaRMSNorm) */
#include "layer/layer.h"

#include "base/number.h"
#include "base/parallel.h"

#include <math.h>

enum { COLUMNS = 32 };

void rmsnorm_fwd(float *y, float *rstd, const float *x, const float *w, float eps, int64_t N, int64_t D)
{
#pragma omp parallel for if (parallel_worth(2 * N * D))
    for (int64_t n = 0; n < N; n++) {
        double sum = 0;
        for (int64_t d = 0; d < D; d++)
            sum += (double)x[n * D + d] * (double)x[n * D + d];
        const double r = 1 / sqrt(sum / (double)D + (double)eps);
        rstd[n] = (float)r;
        for (int64_t d = 0; d < D; d++)
            y[n * D + d] = (float)((double)x[n * D + d] * r) * w[d];
    }
}

/* forward: y = x rstd w, where rstd depends on all of the row, drstd/dx = -rstd^3 x / D;
 * so with g = dy w:  dx += rstd g - rstd^3 x mean(g x) */
static void input_grad(float *dx, const float *dy, const float *x, const float *rstd, const float *w,
                       int64_t N, int64_t D)
{
#pragma omp parallel for if (parallel_worth(2 * N * D))
    for (int64_t n = 0; n < N; n++) {
        const double r = (double)rstd[n];
        double sum = 0;
        for (int64_t d = 0; d < D; d++)
            sum += (double)dy[n * D + d] * (double)w[d] * (double)x[n * D + d];
        const double k = r * r * r * sum / (double)D;
        for (int64_t d = 0; d < D; d++)
            dx[n * D + d] += (float)((double)dy[n * D + d] * (double)w[d] * r - (double)x[n * D + d] * k);
    }
}

/* forward: y = x rstd w in every row, so dw += sum over rows of dy x rstd, in their order */
static void weight_grad(float *dw, const float *dy, const float *x, const float *rstd, int64_t N, int64_t D)
{
#pragma omp parallel for if (parallel_worth(2 * N * D))
    for (int64_t d0 = 0; d0 < D; d0 += COLUMNS) {
        const int64_t columns = min_i64(D - d0, COLUMNS);
        double sum[COLUMNS] = {0};
        for (int64_t n = 0; n < N; n++)
            for (int64_t j = 0; j < columns; j++)
                sum[j] += (double)dy[n * D + d0 + j] * (double)x[n * D + d0 + j] * (double)rstd[n];
        for (int64_t j = 0; j < columns; j++)
            dw[d0 + j] += (float)sum[j];
    }
}

void rmsnorm_bwd(float *dx, float *dw, const float *dy, const float *x, const float *rstd, const float *w,
                 int64_t N, int64_t D)
{
    input_grad(dx, dy, x, rstd, w, N, D);
    if (dw)
        weight_grad(dw, dy, x, rstd, N, D);
}

typedef struct {
    const RmsNorm *l;
    Mat *x, *y;
    float *rstd, *w;
} Saved;

static void backward(Run *run, void *p)
{
    const Saved *s = p;
    const float *dy = mat_grad(run, s->y);
    float *dx = mat_grad(run, s->x);
    if (dy && dx)
        rmsnorm_bwd(dx, s->l->weight->grad, dy, s->x->data, s->rstd, s->w, s->x->rows, s->x->cols);
}

Mat *rmsnorm(Run *run, const RmsNorm *l, Mat *x)
{
    if (!x)
        return NULL;
    const int64_t N = x->rows;
    const int64_t D = x->cols;
    assert(l->weight->count == D && x->stride == D);
    Mat *y = mat_new(run, N, D);
    float *rstd = run_alloc(run, N, sizeof *rstd);
    float *w = run_alloc(run, D, sizeof *w);
    if (!y || !rstd || !w)
        return NULL;
    weight_widen(w, &l->weight->weight, 0, D);
    rmsnorm_fwd(y->data, rstd, x->data, w, l->eps, N, D);
    Saved *s = tape_record(run, backward, sizeof *s);
    if (s)
        *s = (Saved){l, x, y, rstd, w};
    return y;
}
