/* Linear: y[N,O] = x[N,I] w[O,I]^T + b[O]
 * dx += dy w,  dw += dy^T x,  db += sum over rows of dy          (torch.nn.Linear) */
#include "layer/layer.h"
#include "base/parallel.h"
#include "tensor/gemm.h"

typedef struct {
    const Linear *l;
    Mat *x, *y;
} Saved;

static void bias_fwd(float *y, const float *b, int64_t N, int64_t O)
{
#pragma omp parallel for if (parallel_worth(N * O))
    for (int64_t n = 0; n < N; n++)
        for (int64_t o = 0; o < O; o++)
            y[n * O + o] += b[o];
}

/* Blocks of columns; the sum over rows in their order, in double. */
static void bias_bwd(float *db, const float *dy, int64_t N, int64_t O)
{
    enum { COLUMNS = 32 };
#pragma omp parallel for if (parallel_worth(N * O))
    for (int64_t o = 0; o < O; o += COLUMNS) {
        int64_t columns = O - o < COLUMNS ? O - o : COLUMNS;
        double sum[COLUMNS] = {0};
        for (int64_t n = 0; n < N; n++)
            for (int64_t j = 0; j < columns; j++)
                sum[j] += (double)dy[n * O + o + j];
        for (int64_t j = 0; j < columns; j++)
            db[o + j] += (float)sum[j];
    }
}

static void backward(Run *run, void *p)
{
    Saved *s = p;
    Param *w = s->l->weight, *b = s->l->bias;
    int64_t N = s->x->rows, I = s->x->cols, O = s->y->cols;
    float *dy = mat_grad(run, s->y), *dx = s->x->constant ? NULL : mat_grad(run, s->x);
    if (run->error->status != OK)
        return;
    if (dx)
        gemm_input_grad(run, dx, dy, &w->weight, N, O, I);
    ArenaMark mark = arena_mark(run->arena);
    const float *x = w->grad ? mat_values(run, s->x) : NULL;
    if (x)
        gemm_weight_grad(run, w->grad, dy, x, N, O, I);
    arena_release(run->arena, mark);
    if (b && b->grad)
        bias_bwd(b->grad, dy, N, O);
}

Mat *linear(Run *run, const Linear *l, Mat *x)
{
    if (!x)
        return NULL;
    int64_t O = l->weight->dim[0], I = l->weight->count / O;
    assert(x->cols == I && x->stride == I);
    assert(!l->weight->lora); /* y += (x A^T) B^T goes here, its gradients into backward() */
    Mat *y = mat_new(run, x->rows, O);
    float *bias = y && l->bias ? run_alloc(run, O, sizeof *bias) : NULL;
    if (!y || (l->bias && !bias))
        return NULL;
    ArenaMark mark = arena_mark(run->arena);
    const float *values = mat_values(run, x);
    if (values)
        gemm_forward(run, y->data, values, &l->weight->weight, x->rows, O, I);
    arena_release(run->arena, mark);
    if (bias) {
        weight_widen(bias, &l->bias->weight, 0, O);
        bias_fwd(y->data, bias, x->rows, O);
    }
    Saved *s = tape_record(run, backward, sizeof *s);
    if (s)
        *s = (Saved){l, x, y};
    return y;
}
