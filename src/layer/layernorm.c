/* LayerNorm: y = xhat * w + b, xhat = (x - mean) * rstd, rstd = 1 / sqrt(variance + eps) With g
 * = dy * w:  dx += rstd * (g - mean(g) - xhat * mean(g * xhat)),  dw += sum over rows of dy *
 * xhat,  db += sum over rows of dy (torch.nn.LayerNorm) */
#include "layer/layer.h"

#include "base/parallel.h"

#include <math.h>

enum { COLUMNS = 32 };

typedef struct {
    const LayerNorm *l;
    Mat *x, *y;
    float *mean, *rstd, *w;
} Saved;

void layernorm_fwd(float *y, float *mean, float *rstd, const float *x, const float *w, const float *b,
                   float eps, int64_t N, int64_t D)
{
#pragma omp parallel for if (parallel_worth(2 * N * D))
    for (int64_t n = 0; n < N; n++) {
        const float *row = x + n * D;
        double sum = 0, squares = 0;
        for (int64_t d = 0; d < D; d++)
            sum += (double)row[d];
        double m = sum / (double)D;
        for (int64_t d = 0; d < D; d++)
            squares += ((double)row[d] - m) * ((double)row[d] - m);
        double r = 1 / sqrt(squares / (double)D + (double)eps);
        mean[n] = (float)m;
        rstd[n] = (float)r;
        for (int64_t d = 0; d < D; d++)
            y[n * D + d] = (float)(((double)row[d] - m) * r * (double)w[d] + (double)b[d]);
    }
}

void layernorm_bwd(float *dx, float *dw, float *db, const float *dy, const float *x, const float *mean,
                   const float *rstd, const float *w, int64_t N, int64_t D)
{
#pragma omp parallel for if (parallel_worth(2 * N * D))
    for (int64_t n = 0; n < N; n++) {
        double m = (double)mean[n], r = (double)rstd[n], sum = 0, product = 0;
        for (int64_t d = 0; d < D; d++) {
            double g = (double)dy[n * D + d] * (double)w[d];
            sum += g;
            product += g * ((double)x[n * D + d] - m) * r;
        }
        sum /= (double)D;
        product /= (double)D;
        for (int64_t d = 0; d < D; d++) {
            double g = (double)dy[n * D + d] * (double)w[d], xhat = ((double)x[n * D + d] - m) * r;
            dx[n * D + d] += (float)(r * (g - sum - xhat * product));
        }
    }
    if (!dw)
        return;
#pragma omp parallel for if (parallel_worth(2 * N * D))
    for (int64_t d0 = 0; d0 < D; d0 += COLUMNS) {
        int64_t columns = D - d0 < COLUMNS ? D - d0 : COLUMNS;
        double sum_w[COLUMNS] = {0}, sum_b[COLUMNS] = {0};
        for (int64_t n = 0; n < N; n++)
            for (int64_t j = 0; j < columns; j++) {
                double g = (double)dy[n * D + d0 + j];
                sum_w[j] += g * ((double)x[n * D + d0 + j] - (double)mean[n]) * (double)rstd[n];
                sum_b[j] += g;
            }
        for (int64_t j = 0; j < columns; j++) {
            dw[d0 + j] += (float)sum_w[j];
            db[d0 + j] += (float)sum_b[j];
        }
    }
}

static void backward(Run *run, void *p)
{
    Saved *s = p;
    float *dy = mat_grad(run, s->y), *dx = mat_grad(run, s->x);
    if (dy && dx)
        layernorm_bwd(dx, s->l->weight->grad, s->l->bias->grad, dy, s->x->data, s->mean, s->rstd, s->w,
                      s->x->rows, s->x->cols);
}

Mat *layernorm(Run *run, const LayerNorm *l, Mat *x)
{
    if (!x)
        return NULL;
    int64_t N = x->rows, D = x->cols;
    assert(l->weight->count == D && l->bias->count == D && x->stride == D);
    Mat *y = mat_new(run, N, D);
    float *mean = run_alloc(run, N, sizeof *mean), *rstd = run_alloc(run, N, sizeof *rstd);
    float *w = run_alloc(run, D, sizeof *w), *b = run_alloc(run, D, sizeof *b);
    if (!y || !mean || !rstd || !w || !b)
        return NULL;
    weight_widen(w, &l->weight->weight, 0, D);
    weight_widen(b, &l->bias->weight, 0, D);
    layernorm_fwd(y->data, mean, rstd, x->data, w, b, l->eps, N, D);
    Saved *s = tape_record(run, backward, sizeof *s);
    if (s)
        *s = (Saved){l, x, y, mean, rstd, w};
    return y;
}
