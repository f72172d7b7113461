/* Forward, loss and backward on samples, written once for all who need it.
 *
 * loss = scale * sum over labels t of -log softmax(h[t - 1] w^T)[label[t]]: row t - 1 is scored
 * against the token that follows it (ForCausalLMLoss shifts the same way). */
#include "model/loss.h"

#include "tensor/probe.h"

/* rows[]: the losses of all labels, in the order of the samples. A sample without labels has 0. */
static void sample_means(double *each, const double *rows, const Sample *samples, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        const int64_t labels = samples_labels(samples + i, 1);
        each[i] = 0;
        for (int64_t n = 0; n < labels; n++)
            each[i] += rows[n] / (double)labels;
        rows += labels;
    }
}

Status batch_loss(Run *run, const Vlm *vlm, const Batch *b, const Sample *samples, Mat *hidden, double scale,
                  LossSum *sum)
{
    const int64_t *rows;
    const int32_t *labels;
    double loss = 0;
    Run untaped = *run;
    untaped.tape = NULL;
    if (run->probe)
        probe_mat(run, vlm_logits(&untaped, vlm, hidden), 1, "logits");
    int64_t count = hidden ? batch_labels(run, b, samples, &rows, &labels) : 0;
    if (!count)
        return run->error->status;
    Mat *scored = gather_rows(run, hidden, rows, count);
    double *each = sum->each ? run_alloc(run, count, sizeof *each) : NULL;
    const bool done = head_cross_entropy(run, &vlm->head, scored, labels, scale, each, &loss);
    if (done && each)
        sample_means(sum->each, each, samples, b->seqs.count);
    if (done && run->tape)
        run_backward(run);
    sum->loss += loss;
    sum->tokens += count;
    return run->error->status;
}

Status vlm_loss(Run *run, const Vlm *vlm, const Sample *samples, int64_t count, double scale, LossSum *sum)
{
    const Batch *b = batch_pack(run, samples, count);
    return batch_loss(run, vlm, b, samples, vlm_forward(run, vlm, b, NULL), scale, sum);
}
