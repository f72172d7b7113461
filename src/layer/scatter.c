/* Scatter: y = x but y[at[m],:] = rows[m,:].  dx[n,:] += dy[n,:] except at the rows put in,
 * drows[m,:] += dy[at[m],:] Gather: y[m,:] = x[at[m],:].  dx[at[m],:] += dy[m,:]
 * (masked_scatter of picture rows into inputs_embeds) */
#include "layer/layer.h"

#include <string.h>

typedef struct {
    Mat *x, *rows, *y;
    const int64_t *at; /* ascending */
} Saved;

static void add_row(float *to, const float *from, int64_t D)
{
    for (int64_t d = 0; d < D; d++)
        to[d] += from[d];
}

static void scatter_backward(Run *run, void *p)
{
    Saved *s = p;
    int64_t D = s->x->cols;
    float *dy = mat_grad(run, s->y), *dx = mat_grad(run, s->x), *drows = mat_grad(run, s->rows);
    if (!dy || !dx || !drows)
        return;
    for (int64_t n = 0, m = 0; n < s->x->rows; n++) {
        bool put = m < s->rows->rows && s->at[m] == n;
        add_row(put ? drows + m++ * D : dx + n * D, dy + n * D, D);
    }
}

Mat *scatter_rows(Run *run, Mat *x, Mat *rows, const int64_t *at)
{
    Mat *y = x && rows && at ? mat_new(run, x->rows, x->cols) : NULL;
    if (!y)
        return NULL;
    assert(rows->cols == x->cols && x->stride == x->cols && rows->stride == x->cols);
    size_t bytes = (size_t)x->cols * sizeof *x->data;
    memcpy(y->data, x->data, (size_t)x->rows * bytes);
    for (int64_t m = 0; m < rows->rows; m++)
        memcpy(y->data + at[m] * x->cols, rows->data + m * x->cols, bytes);
    Saved *s = tape_record(run, scatter_backward, sizeof *s);
    if (s)
        *s = (Saved){x, rows, y, at};
    return y;
}

static void gather_backward(Run *run, void *p)
{
    Saved *s = p;
    int64_t D = s->x->cols;
    float *dy = mat_grad(run, s->y), *dx = mat_grad(run, s->x);
    for (int64_t m = 0; dy && dx && m < s->y->rows; m++)
        add_row(dx + s->at[m] * D, dy + m * D, D);
}

Mat *gather_rows(Run *run, Mat *x, const int64_t *at, int64_t M)
{
    Mat *y = x && at ? mat_new(run, M, x->cols) : NULL;
    if (!y)
        return NULL;
    for (int64_t m = 0; m < M; m++)
        memcpy(y->data + m * x->cols, x->data + at[m] * x->cols, (size_t)x->cols * sizeof *x->data);
    Saved *s = tape_record(run, gather_backward, sizeof *s);
    if (s)
        *s = (Saved){x, NULL, y, at};
    return y;
}
