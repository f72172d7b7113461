/* LayerNorm: y = xhat w + b, xhat = (x - mean) rstd, rstd = 1 / sqrt(variance + eps), with mean
 * and variance of each row. Sums are in double. (torch.nn.LayerNorm) */
#include "layer/layer.h"

#include "base/number.h"
#include "base/parallel.h"

#include <math.h>

enum { COLUMNS = 32 };

void layernorm_fwd(float *y, float *mean, float *rstd, const float *x, const float *w, const float *b,
                   float eps, int64_t N, int64_t D)
{
#pragma omp parallel for if (parallel_worth(2 * N * D))
    for (int64_t n = 0; n < N; n++) {
        const float *row = x + n * D;
        double sum = 0;
        double squares = 0;
        for (int64_t d = 0; d < D; d++)
            sum += (double)row[d];
        const double m = sum / (double)D;
        for (int64_t d = 0; d < D; d++)
            squares += ((double)row[d] - m) * ((double)row[d] - m);
        const double r = 1 / sqrt(squares / (double)D + (double)eps);
        mean[n] = (float)m;
        rstd[n] = (float)r;
        for (int64_t d = 0; d < D; d++)
            y[n * D + d] = (float)(((double)row[d] - m) * r * (double)w[d] + (double)b[d]);
    }
}

/* forward: y = (x - mean) rstd w + b, where mean and rstd depend on all of the row;
 * so with g = dy w:  dx += rstd (g - mean(g) - xhat mean(g xhat)) */
static void input_grad(float *dx, const float *dy, const float *x, const float *mean, const float *rstd,
                       const float *w, int64_t N, int64_t D)
{
#pragma omp parallel for if (parallel_worth(2 * N * D))
    for (int64_t n = 0; n < N; n++) {
        const double m = (double)mean[n];
        const double r = (double)rstd[n];
        double sum = 0;
        double product = 0;
        for (int64_t d = 0; d < D; d++) {
            const double g = (double)dy[n * D + d] * (double)w[d];
            sum += g;
            product += g * ((double)x[n * D + d] - m) * r;
        }
        const double mean_g = sum / (double)D;
        const double mean_product = product / (double)D;
        for (int64_t d = 0; d < D; d++) {
            const double g = (double)dy[n * D + d] * (double)w[d];
            const double xhat = ((double)x[n * D + d] - m) * r;
            dx[n * D + d] += (float)(r * (g - mean_g - xhat * mean_product));
        }
    }
}

/* forward: y = xhat w + b in every row, so dw += sum over rows of dy xhat, db += sum over rows
 * of dy, in their order */
static void weight_grad(float *dw, float *db, const float *dy, const float *x, const float *mean,
                        const float *rstd, int64_t N, int64_t D)
{
#pragma omp parallel for if (parallel_worth(2 * N * D))
    for (int64_t d0 = 0; d0 < D; d0 += COLUMNS) {
        const int64_t columns = min_i64(D - d0, COLUMNS);
        double sum_w[COLUMNS] = {0};
        double sum_b[COLUMNS] = {0};
        for (int64_t n = 0; n < N; n++)
            for (int64_t j = 0; j < columns; j++) {
                const double g = (double)dy[n * D + d0 + j];
                sum_w[j] += g * ((double)x[n * D + d0 + j] - (double)mean[n]) * (double)rstd[n];
                sum_b[j] += g;
            }
        for (int64_t j = 0; dw && j < columns; j++)
            dw[d0 + j] += (float)sum_w[j];
        for (int64_t j = 0; db && j < columns; j++)
            db[d0 + j] += (float)sum_b[j];
    }
}

void layernorm_bwd(float *dx, float *dw, float *db, const float *dy, const float *x, const float *mean,
                   const float *rstd, const float *w, int64_t N, int64_t D)
{
    input_grad(dx, dy, x, mean, rstd, w, N, D);
    if (dw || db)
        weight_grad(dw, db, dy, x, mean, rstd, N, D);
}

typedef struct {
    const LayerNorm *l;
    Mat *x, *y;
    float *mean, *rstd, *w;
} Saved;

static void backward(Run *run, void *p)
{
    const Saved *s = p;
    const float *dy = mat_grad(run, s->y);
    float *dx = mat_grad(run, s->x);
    if (dy && dx)
        layernorm_bwd(dx, s->l->weight->grad, s->l->bias->grad, dy, s->x->data, s->mean, s->rstd, s->w,
                      s->x->rows, s->x->cols);
}

Mat *layernorm(Run *run, const LayerNorm *l, Mat *x)
{
    if (!x)
        return NULL;
    const int64_t N = x->rows;
    const int64_t D = x->cols;
    assert(l->weight->count == D && l->bias->count == D && x->stride == D);
    Mat *y = mat_new(run, N, D);
    float *mean = run_alloc(run, N, sizeof *mean);
    float *rstd = run_alloc(run, N, sizeof *rstd);
    float *w = run_alloc(run, D, sizeof *w);
    float *b = run_alloc(run, D, sizeof *b);
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
