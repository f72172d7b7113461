/* Embedding: y[n,:] = table[id[n],:]
 * dtable[id[n],:] += dy[n,:], in the order of the rows          (torch.nn.Embedding) */
#include "layer/layer.h"

typedef struct {
    Param *table;
    const int32_t *ids;
    Mat *y;
} Saved;

static void backward(Run *run, void *p)
{
    Saved *s = p;
    int64_t D = s->y->cols;
    float *dy = mat_grad(run, s->y), *dtable = s->table->grad;
    for (int64_t n = 0; dy && dtable && n < s->y->rows; n++)
        for (int64_t d = 0; d < D; d++)
            dtable[s->ids[n] * D + d] += dy[n * D + d];
}

Mat *embedding(Run *run, Param *table, const int32_t *ids, int64_t rows)
{
    int64_t D = table->dim[1];
    Mat *y = mat_new(run, rows, D);
    if (!y)
        return NULL;
    for (int64_t n = 0; n < rows; n++) {
        assert(ids[n] >= 0 && ids[n] < table->dim[0]);
        weight_widen(y->data + n * D, &table->weight, ids[n], D);
    }
    Saved *s = tape_record(run, backward, sizeof *s);
    if (s)
        *s = (Saved){table, ids, y};
    return y;
}
