/* Batches: the rows of all samples one after another, without padding; and the forward pass. */
#ifndef MPA_MODEL_BATCH_H
#define MPA_MODEL_BATCH_H

#include "layer/layer.h"
#include "model/sample.h"

typedef struct {
    int64_t rows;
    const int32_t *ids;             /* [rows] */
    const int32_t *position;        /* [3, rows] */
    Seqs seqs;                      /* where each sample's rows are */
    const Picture *const *pictures; /* [n_pictures], in the order in which their tokens come in ids */
    int64_t n_pictures;
} Batch;

/* Packs samples. Arena memory of the run, their pictures borrowed; NULL after a failure. */
Batch *batch_pack(Run *run, const Sample *samples, int64_t count);
/* One row for each of `count` sequences, whose past is in a cache: ids[count] at position[count]
 * on all three axes. Arena memory of the run; ids is borrowed, position copied. NULL after a
 * failure. */
Batch *batch_rows(Run *run, const int32_t *ids, const int32_t *position, int64_t count);

/* The rows of the batch whose next token is a label, and those labels; how many, 0 also after a
 * failure. Arena memory of the run. */
int64_t batch_labels(Run *run, const Batch *b, const Sample *samples, const int64_t **rows,
                     const int32_t **labels);

/* The rows that replace the tokens of one picture, out[tokens, D], by a pass of its own: the same bits whatever is
 * in a batch with it. */
Status vlm_features(Run *run, const Vlm *vlm, const Picture *picture, float *out);

/* The last hidden rows [rows, D], after the final norm. The pictures' rows are their features where they
 * have them: all of a batch, or none. cache: NULL, or where the past is and the
 * batch's keys and values are put. NULL after a failure, and for a batch of NULL. */
Mat *vlm_forward(Run *run, const Vlm *vlm, const Batch *batch, KvCache *cache);
Mat *vlm_logits(Run *run, const Vlm *vlm, Mat *hidden); /* [rows, D] -> [rows, V] */

#endif
