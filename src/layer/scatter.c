/* Scatter replaces some rows of x by others, gather takes some rows of x; `at` names them and
 * ascends. (masked_scatter of picture rows into inputs_embeds; indexing by a list of rows) */
#include "layer/layer.h"

#include <string.h>

void scatter_fwd(float *y, const float *x, const float *rows, const int64_t *at, int64_t N, int64_t M,
                 int64_t D)
{
    const size_t bytes = (size_t)D * sizeof *y;
    memcpy(y, x, (size_t)N * bytes);
    for (int64_t m = 0; m < M; m++)
        memcpy(y + at[m] * D, rows + m * D, bytes);
}

static void add_row(float *y, const float *x, int64_t D)
{
    for (int64_t d = 0; d < D; d++)
        y[d] += x[d];
}

/* forward: y[at[m]] = rows[m], all other y[n] = x[n]; so drows[m] += dy[at[m]], all other dx[n]
 * += dy[n] */
void scatter_bwd(float *dx, float *drows, const float *dy, const int64_t *at, int64_t N, int64_t M, int64_t D)
{
    int64_t m = 0;
    for (int64_t n = 0; n < N; n++)
        if (m < M && at[m] == n) {
            add_row(drows + m * D, dy + n * D, D);
            m++;
        } else {
            add_row(dx + n * D, dy + n * D, D);
        }
}

void gather_fwd(float *y, const float *x, const int64_t *at, int64_t M, int64_t D)
{
    for (int64_t m = 0; m < M; m++)
        memcpy(y + m * D, x + at[m] * D, (size_t)D * sizeof *y);
}

/* forward: y[m] = x[at[m]], so dx[at[m]] += dy[m] */
void gather_bwd(float *dx, const float *dy, const int64_t *at, int64_t M, int64_t D)
{
    for (int64_t m = 0; m < M; m++)
        add_row(dx + at[m] * D, dy + m * D, D);
}

typedef struct {
    Mat *x, *rows, *y; /* rows: NULL in gather */
    const int64_t *at;
} Saved;

static void scatter_backward(Run *run, void *p)
{
    const Saved *s = p;
    const float *dy = mat_grad(run, s->y);
    float *dx = mat_grad(run, s->x);
    float *drows = mat_grad(run, s->rows);
    if (dy && dx && drows)
        scatter_bwd(dx, drows, dy, s->at, s->x->rows, s->rows->rows, s->x->cols);
}

Mat *scatter_rows(Run *run, Mat *x, Mat *rows, const int64_t *at)
{
    Mat *y = x && rows && at ? mat_new(run, x->rows, x->cols) : NULL;
    if (!y)
        return NULL;
    assert(rows->cols == x->cols && x->stride == x->cols && rows->stride == x->cols);
    scatter_fwd(y->data, x->data, rows->data, at, x->rows, rows->rows, x->cols);
    Saved *s = tape_record(run, scatter_backward, sizeof *s);
    if (s)
        *s = (Saved){x, rows, y, at};
    return y;
}

static void gather_backward(Run *run, void *p)
{
    const Saved *s = p;
    const float *dy = mat_grad(run, s->y);
    float *dx = mat_grad(run, s->x);
    if (dy && dx)
        gather_bwd(dx, dy, s->at, s->y->rows, s->x->cols);
}

Mat *gather_rows(Run *run, Mat *x, const int64_t *at, int64_t M)
{
    Mat *y = x && at ? mat_new(run, M, x->cols) : NULL;
    if (!y)
        return NULL;
    assert(x->stride == x->cols);
    gather_fwd(y->data, x->data, at, M, x->cols);
    Saved *s = tape_record(run, gather_backward, sizeof *s);
    if (s)
        *s = (Saved){x, NULL, y, at};
    return y;
}

typedef struct {
    Mat *const *parts;
    int64_t count;
    Mat *y;
} Joined;

/* forward: the rows of y are those of the parts, so each part's gradient is that of its rows */
static void join_backward(Run *run, void *p)
{
    const Joined *s = p;
    const float *dy = mat_grad(run, s->y);
    for (int64_t i = 0; dy && i < s->count; i++) {
        const int64_t values = s->parts[i]->rows * s->parts[i]->cols;
        float *d = mat_grad(run, s->parts[i]);
        if (!d)
            return;
        add_row(d, dy, values);
        dy += values;
    }
}

Mat *join_rows(Run *run, Mat *const *parts, int64_t count)
{
    int64_t rows = 0;
    for (int64_t i = 0; i < count; i++) {
        if (!parts[i])
            return NULL;
        assert(parts[i]->cols == parts[0]->cols && parts[i]->stride == parts[i]->cols);
        rows += parts[i]->rows;
    }
    Mat *y = mat_new(run, rows, parts[0]->cols);
    float *to = y ? y->data : NULL;
    for (int64_t i = 0; to && i < count; i++) {
        const int64_t values = parts[i]->rows * parts[i]->cols;
        memcpy(to, parts[i]->data, (size_t)values * sizeof *to);
        to += values;
    }
    Joined *s = y ? tape_record(run, join_backward, sizeof *s) : NULL;
    if (s)
        *s = (Joined){parts, count, y};
    return y;
}
