/* The loss of samples, forward and backward: what training, `mpa trace` and `mpa bench` run. */
#ifndef MPA_MODEL_LOSS_H
#define MPA_MODEL_LOSS_H

#include "model/batch.h"

/* What the losses of one or more passes add up to. */
typedef struct {
    double loss;    /* scale * the sum of -log p(label) */
    int64_t tokens; /* labels in it */
    double *each;   /* NULL, or [count]: receives each sample's own mean of -log p(label); borrowed */
} LossSum;

/* Forward over the samples and the loss of their labels, added to *sum. scale: 1 / the number of
 * tokens that the mean is over (samples_labels for the mean over these samples alone).
 *
 * With run->tape the backward pass follows: gradients are added to those parameters that have
 * one. With run->probe the logits of all rows are shown as "logits"; they are computed without a
 * tape. Samples without labels (prompts) run forward only. */
Status vlm_loss(Run *run, const Vlm *vlm, const Sample *samples, int64_t count, double scale, LossSum *sum);
/* The second half of vlm_loss: b holds the samples, hidden is what vlm_forward made of it. */
Status batch_loss(Run *run, const Vlm *vlm, const Batch *b, const Sample *samples, Mat *hidden, double scale,
                  LossSum *sum);

#endif
