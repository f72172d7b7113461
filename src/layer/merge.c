/* Merging rows: `group` rows that follow one another become one row. The values are shared,
 * because they stay where they are; the gradient is a separate one, and the backward adds it.
 * (PatchMerger's view(-1, hidden_size * merge^2); the last step of pixel shuffle) */
#include "layer/layer.h"

typedef struct {
    Mat *x, *y;
} Saved;

/* forward: y is x, in rows of another length, so dx += dy */
static void backward(Run *run, void *p)
{
    const Saved *s = p;
    const float *dy = mat_grad(run, s->y);
    float *dx = mat_grad(run, s->x);
    if (dy && dx)
        add_bwd(dx, dy, s->x->rows * s->x->cols);
}

Mat *merge_rows(Run *run, Mat *x, int64_t group)
{
    Mat *y = x ? run_alloc(run, 1, sizeof *y) : NULL;
    if (!y)
        return NULL;
    assert(x->rows % group == 0 && x->stride == x->cols);
    const int64_t cols = x->cols * group;
    *y = (Mat){.rows = x->rows / group, .cols = cols, .stride = cols, .data = x->data};
    Saved *s = tape_record(run, backward, sizeof *s);
    if (s)
        *s = (Saved){x, y};
    return y;
}
