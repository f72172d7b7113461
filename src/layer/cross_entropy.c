/* The head and its loss, in one layer because the loss is where the backward starts:
 *
 *     logits = h w^T,  loss = scale * sum over rows of (log sum exp(logits) - logits[label])
 *     dlogits = scale * (softmax(logits) - onehot(label)),  dh += dlogits w,  dw += dlogits^T h
 *
 * The logits of all rows never exist at a time: rows are taken in chunks, and in each chunk the
 * logits become their gradients in place. The head's low-rank factors take part as in linear.c.
 * (CrossEntropyLoss on the output of lm_head) */
#include "layer/layer.h"

#include "base/elementary.h"
#include "base/number.h"
#include "base/parallel.h"
#include "kernel/kernels.h"
#include "layer/lora.h"
#include "tensor/gemm.h"

enum { CHUNK = 128 };

/* One row of cross_entropy_fwd_bwd. */
static double row_loss(float *logits, int64_t V, int32_t label, double scale)
{
    const float max = kernels->max(logits, V);
    const double right = (double)logits[label] - (double)max;
    const double sum = kernels->exp_sum(logits, max, V);
    const double lse = exact_log(sum);
    const float inv_sum = (float)(scale / sum);
    for (int64_t v = 0; v < V; v++)
        logits[v] *= inv_sum;
    logits[label] = (float)(scale * (exact_exp(right - lse) - 1));
    return lse - right;
}

void cross_entropy_fwd_bwd(double *loss, float *logits, const int32_t *labels, double scale, int64_t N,
                           int64_t V)
{
#pragma omp parallel for if (parallel_worth(16 * N * V))
    for (int64_t n = 0; n < N; n++)
        loss[n] = row_loss(logits + n * V, V, labels[n], scale);
}

int64_t head_cross_entropy_bytes(int64_t V)
{
    return CHUNK * V * (int64_t)sizeof(float) + gemm_packed(CHUNK, V);
}

/* The sum of the losses of N <= CHUNK rows from row `first` on, not scaled, and each of them; 0 after a
 * failure. dh: NULL without a tape. */
static double chunk_loss(Run *run, const Param *w, const float *h, float *dh, const int32_t *labels,
                         double scale, double *each, int64_t first, int64_t N)
{
    const int64_t V = w->dim[0];
    const int64_t D = w->weight.stride;
    double total = 0;
    float *logits = run_alloc(run, N * V, sizeof *logits);
    float *u = w->lora ? run_alloc(run, N * w->lora->a.dim[0], sizeof *u) : NULL;
    if (run->error->status != OK)
        return 0;
    gemm_forward(run, logits, h, &w->weight, N, V, D);
    if (u)
        lora_fwd(run, logits, u, w->lora, h, first, N);
    cross_entropy_fwd_bwd(each, logits, labels, scale, N, V);
    for (int64_t n = 0; n < N; n++)
        total += each[n];
    if (dh)
        gemm_input_grad(run, dh, logits, &w->weight, N, V, D);
    if (dh && w->grad)
        gemm_weight_grad(run, w->grad, logits, h, N, V, D);
    if (dh && u)
        lora_bwd(run, dh, w->lora, logits, h, u, first, N);
    return total;
}

bool head_cross_entropy(Run *run, const Linear *head, Mat *h, const int32_t *labels, double scale,
                        double *each, double *loss)
{
    float *dh = h && run->tape ? mat_grad(run, h) : NULL;
    if (!h || (run->tape && !dh))
        return false;
    const int64_t D = h->cols;
    assert(!head->bias && head->weight->weight.stride == D && h->stride == D);
    double total = 0;
    double unread[CHUNK];
    for (int64_t n = 0; n < h->rows; n += CHUNK) {
        ArenaMark mark = arena_mark(run->arena);
        total += chunk_loss(run, head->weight, h->data + n * D, dh ? dh + n * D : NULL, labels + n, scale,
                            each ? each + n : unread, n, min_i64(h->rows - n, CHUNK));
        arena_release(run->arena, mark);
    }
    *loss = scale * total;
    return run->error->status == OK;
}
