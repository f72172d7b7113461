/* Embedding: y[n,:] = table[id[n],:]. The backward adds rows in their order, because an id may
 * occur several times. (torch.nn.Embedding) */
#include "layer/layer.h"

void embedding_fwd(float *y, const Weight *table, const int32_t *ids, int64_t N, int64_t D)
{
    for (int64_t n = 0; n < N; n++)
        weight_widen(y + n * D, table, ids[n], D);
}

/* forward: y[n] = table[id[n]], so dtable[id[n]] += dy[n] */
void embedding_bwd(float *dtable, const float *dy, const int32_t *ids, int64_t N, int64_t D)
{
    for (int64_t n = 0; n < N; n++)
        for (int64_t d = 0; d < D; d++)
            dtable[ids[n] * D + d] += dy[n * D + d];
}

typedef struct {
    Param *table;
    const int32_t *ids;
    Mat *y;
} Saved;

static void backward(Run *run, void *p)
{
    const Saved *s = p;
    const float *dy = mat_grad(run, s->y);
    if (dy && s->table->grad)
        embedding_bwd(s->table->grad, dy, s->ids, s->y->rows, s->y->cols);
}

Mat *embedding(Run *run, Param *table, const int32_t *ids, int64_t rows)
{
    const int64_t D = table->dim[table->ndim - 1]; /* [V,D], or with dimensions of 1 in front */
    Weight matrix = table->weight;
    matrix.stride = D;
    Mat *y = mat_new(run, rows, D);
    if (!y)
        return NULL;
    for (int64_t n = 0; n < rows; n++)
        assert(ids[n] >= 0 && ids[n] < table->count / D);
    embedding_fwd(y->data, &matrix, ids, rows, D);
    Saved *s = tape_record(run, backward, sizeof *s);
    if (s)
        *s = (Saved){table, ids, y};
    return y;
}
