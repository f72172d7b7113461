/* Split: the columns of x are `groups` groups of equal width; y takes columns first .. first + width
 * - 1 of each: y[n, g W + j] = x[n, g S + first + j], S = x's columns / groups, W = width. (InternLM2's
 * wqkv, in which each key/value head has its query heads, its key and its value.) */
#include "layer/layer.h"

#include "base/parallel.h"

#include <string.h>

void split_fwd(float *y, const float *x, int64_t N, int64_t groups, int64_t S, int64_t first, int64_t W)
{
#pragma omp parallel for if (parallel_worth(N * groups * W))
    for (int64_t n = 0; n < N; n++)
        for (int64_t g = 0; g < groups; g++)
            memcpy(y + (n * groups + g) * W, x + (n * groups + g) * S + first, (size_t)W * sizeof *y);
}

/* forward: y[n, g W + j] = x[n, g S + first + j], so dx at that column += dy[n, g W + j] */
void split_bwd(float *dx, const float *dy, int64_t N, int64_t groups, int64_t S, int64_t first, int64_t W)
{
#pragma omp parallel for if (parallel_worth(N * groups * W))
    for (int64_t n = 0; n < N; n++)
        for (int64_t g = 0; g < groups; g++)
            for (int64_t j = 0; j < W; j++)
                dx[(n * groups + g) * S + first + j] += dy[(n * groups + g) * W + j];
}

typedef struct {
    Mat *x, *y;
    int64_t groups, first, width;
} Saved;

static void backward(Run *run, void *p)
{
    const Saved *s = p;
    const float *dy = mat_grad(run, s->y);
    float *dx = mat_grad(run, s->x);
    if (dy && dx)
        split_bwd(dx, dy, s->x->rows, s->groups, s->x->cols / s->groups, s->first, s->width);
}

Mat *split_columns(Run *run, Mat *x, int64_t groups, int64_t first, int64_t width)
{
    Mat *y = x ? mat_new(run, x->rows, groups * width) : NULL;
    if (!y)
        return NULL;
    assert(x->cols % groups == 0 && first + width <= x->cols / groups && x->stride == x->cols);
    split_fwd(y->data, x->data, x->rows, groups, x->cols / groups, first, width);
    Saved *s = tape_record(run, backward, sizeof *s);
    if (s)
        *s = (Saved){x, y, groups, first, width};
    return y;
}
