/* Merging rows: `group` rows that stand next to each other become one row; memory stays as it
 * is, so gradient too is shared. (PatchMerger's view(-1, hidden_size * merge^2); pixel shuffle's
 * last step) */
#include "layer/layer.h"

typedef struct {
    Mat *x, *y;
} Saved;

/* dx += dy, the same numbers in the same order */
static void backward(Run *run, void *p)
{
    Saved *s = p;
    float *dy = mat_grad(run, s->y), *dx = mat_grad(run, s->x);
    for (int64_t i = 0; dy && dx && i < s->x->rows * s->x->cols; i++)
        dx[i] += dy[i];
}

Mat *merge_rows(Run *run, Mat *x, int64_t group)
{
    Mat *y = x ? run_alloc(run, 1, sizeof *y) : NULL;
    if (!y)
        return NULL;
    assert(x->rows % group == 0 && x->stride == x->cols);
    *y = (Mat){.rows = x->rows / group, .cols = x->cols * group, .stride = x->cols * group, .data = x->data};
    Saved *s = tape_record(run, backward, sizeof *s);
    if (s)
        *s = (Saved){x, y};
    return y;
}
