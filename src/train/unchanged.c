/* Two checkpoints of one family compared, parameter by parameter: they are asked for in the same
 * order, whatever the files call them. */
#include "train/unchanged.h"

#include "base/number.h"

#include <string.h>

/* The values are compared as float32, which holds those of the other types exactly. */
static bool is_same(const Param *a, const Param *b)
{
    enum { PIECE = 1024 };
    float x[PIECE];
    float y[PIECE];
    if (a->count != b->count)
        return false;
    for (int64_t i = 0; i < a->count; i += PIECE) {
        const int64_t n = min_i64(PIECE, a->count - i);
        dtype_widen(x, weight_at(&a->weight, 0, i), a->weight.type, n);
        dtype_widen(y, weight_at(&b->weight, 0, i), b->weight.type, n);
        if (memcmp(x, y, (size_t)n * sizeof *x))
            return false;
    }
    return true;
}

Status checkpoint_unchanged(bool *same, const char *before, const char *after, Error *e)
{
    Vlm a = {0};
    Vlm b = {0};
    vlm_open(&a, before, e);
    vlm_open(&b, after, e);
    *same = e->status == OK && a.checkpoint.params == b.checkpoint.params;
    for (int64_t i = 0; *same && i < a.checkpoint.params; i++)
        *same = is_same(a.checkpoint.param[i], b.checkpoint.param[i]);
    vlm_close(&a);
    vlm_close(&b);
    return e->status;
}
