/* Linear: y[N,O] = x[N,I] w[O,I]^T + b[O], and what the weight's low-rank factors add (lora.c). The
 * products are gemm's. (torch.nn.Linear) */
#include "layer/layer.h"

#include "base/number.h"
#include "base/parallel.h"
#include "layer/lora.h"
#include "tensor/gemm.h"

void linear_bias_fwd(float *y, const float *b, int64_t N, int64_t O)
{
#pragma omp parallel for if (parallel_worth(N * O))
    for (int64_t n = 0; n < N; n++)
        for (int64_t o = 0; o < O; o++)
            y[n * O + o] += b[o];
}

/* forward: y[n] += b for every row n, so db += sum over n of dy[n]; in the order of the rows, in
 * double */
void linear_bias_bwd(float *db, const float *dy, int64_t N, int64_t O)
{
    enum { COLUMNS = 32 };
#pragma omp parallel for if (parallel_worth(N * O))
    for (int64_t o = 0; o < O; o += COLUMNS) {
        const int64_t columns = min_i64(O - o, COLUMNS);
        double sum[COLUMNS] = {0};
        for (int64_t n = 0; n < N; n++)
            for (int64_t j = 0; j < columns; j++)
                sum[j] += (double)dy[n * O + o + j];
        for (int64_t j = 0; j < columns; j++)
            db[o + j] += (float)sum[j];
    }
}

typedef struct {
    const Linear *l;
    Mat *x, *y;
    const float *u; /* of lora_fwd; NULL: the weight has no low-rank factors */
    int64_t first;  /* run->first_row */
} Saved;

/* forward: y = x w^T + b (+ u B^T), so dx += dy w, dw += dy^T x, db += sum over rows of dy */
static void backward(Run *run, void *p)
{
    const Saved *s = p;
    const Param *w = s->l->weight;
    const Param *b = s->l->bias;
    const int64_t N = s->x->rows;
    const int64_t I = s->x->cols;
    const int64_t O = s->y->cols;
    const float *dy = mat_grad(run, s->y);
    float *dx = s->x->constant ? NULL : mat_grad(run, s->x);
    if (run->error->status != OK)
        return;
    if (dx)
        gemm_input_grad(run, dx, dy, &w->weight, N, O, I);
    ArenaMark mark = arena_mark(run->arena);
    const float *x = w->grad || lora_wants_grad(w->lora) ? mat_values(run, s->x) : NULL;
    if (x && w->grad)
        gemm_weight_grad(run, w->grad, dy, x, N, O, I);
    if (s->u && run->error->status == OK)
        lora_bwd(run, dx, w->lora, dy, x, s->u, s->first, N);
    arena_release(run->arena, mark);
    if (b && b->grad)
        linear_bias_bwd(b->grad, dy, N, O);
}

/* y[N,O] += b[O], as it is stored */
static void add_bias(Run *run, float *y, const Param *b, int64_t N, int64_t O)
{
    float *wide = run_alloc(run, O, sizeof *wide);
    if (!wide)
        return;
    weight_widen(wide, &b->weight, 0, O);
    linear_bias_fwd(y, wide, N, O);
}

Mat *linear(Run *run, const Linear *l, Mat *x)
{
    if (!x)
        return NULL;
    const Param *w = l->weight;
    const int64_t O = w->dim[0];
    assert(w->count == O * x->cols && x->stride == x->cols);
    Mat *y = mat_new(run, x->rows, O);
    float *u = w->lora ? run_alloc(run, x->rows * w->lora->a.dim[0], sizeof *u) : NULL;
    ArenaMark mark = arena_mark(run->arena);
    const float *values = mat_values(run, x);
    if (run->error->status != OK)
        return NULL;
    gemm_forward(run, y->data, values, &w->weight, x->rows, O, x->cols);
    if (l->bias)
        add_bias(run, y->data, l->bias, x->rows, O);
    if (u)
        lora_fwd(run, y->data, u, w->lora, values, run->first_row, x->rows);
    arena_release(run->arena, mark);
    Saved *s = tape_record(run, backward, sizeof *s);
    if (s)
        *s = (Saved){l, x, y, u, run->first_row};
    return y;
}
