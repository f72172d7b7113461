/* The head and its loss: logits = h w^T,  loss = scale * sum over rows of (log sum exp(logits) -
 * logits[label]) dlogits = scale * (softmax(logits) - onehot(label)),  dh += dlogits w,  dw +=
 * dlogits^T h (CrossEntropyLoss on lm_head's output.) Works by chunks of rows; a chunk's logits
 * turn into their gradient in place. */
#include "layer/layer.h"

#include "base/elementary.h"
#include "base/parallel.h"
#include "tensor/gemm.h"
#include "kernel/kernels.h"

enum { CHUNK = 128 };

/* logits[V] of one row become dlogits; returns the row's loss, not scaled. */
static double row_loss(float *logits, int64_t V, int32_t label, double scale)
{
    float most = kernels->max(logits, V);
    double right = (double)logits[label] - (double)most, sum = kernels->exp_sum(logits, most, V),
           lse = exact_log(sum);
    float part = (float)(scale / sum);
    for (int64_t v = 0; v < V; v++)
        logits[v] *= part;
    logits[label] = (float)(scale * (exact_exp(right - lse) - 1));
    return lse - right;
}

bool head_cross_entropy(Run *run, const Linear *head, Mat *h, const int32_t *labels, double scale,
                        double *loss)
{
    float *dh = h && run->tape ? mat_grad(run, h) : NULL;
    if (!h || (run->tape && !dh))
        return false;
    assert(!head->bias);
    int64_t V = head->weight->dim[0], D = head->weight->count / V;
    double total = 0, each[CHUNK];
    for (int64_t first = 0; first < h->rows; first += CHUNK) {
        int64_t rows = h->rows - first < CHUNK ? h->rows - first : CHUNK;
        ArenaMark mark = arena_mark(run->arena);
        float *logits = run_alloc(run, rows * V, sizeof *logits);
        if (!logits)
            return false;
        const Param *w = head->weight;
        gemm_forward(run, logits, h->data + first * D, &w->weight, rows, V, D);
#pragma omp parallel for if (parallel_worth(16 * rows * V))
        for (int64_t i = 0; i < rows; i++)
            each[i] = row_loss(logits + i * V, V, labels[first + i], scale);
        for (int64_t i = 0; i < rows; i++)
            total += each[i];
        if (dh) {
            gemm_input_grad(run, dh + first * D, logits, &w->weight, rows, V, D);
            if (w->grad)
                gemm_weight_grad(run, w->grad, logits, h->data + first * D, rows, V, D);
        }
        arena_release(run->arena, mark);
    }
    *loss = scale * total;
    return run->error->status == OK;
}
