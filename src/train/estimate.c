/* Estimates of training's memory: sums over what the layers allocate. tests/train/estimate_test.c
 * compares them with what a pass really takes. */
#include "train/estimate.h"

PassSize pass_size(const Samples *samples)
{
    PassSize size = {0};
    for (int64_t i = 0; i < samples->count; i++)
        size.rows += samples->sample[i].count;
    for (int64_t i = 0; i < samples->pictures; i++)
        size.picture_tokens += samples->picture[i].tokens;
    return size;
}

int64_t estimate_state(const Vlm *vlm)
{
    enum { COPIES = 4 };
    int64_t values = 0;
    for (int64_t i = 0; i < vlm->checkpoint.params; i++)
        values += vlm->checkpoint.param[i]->count;
    return values * COPIES * (int64_t)sizeof(float);
}

int64_t estimate_pass(const Vlm *vlm, PassSize size, bool recompute)
{
    /* One block at a time has the gradients of its values, every block that of its input; with
     * recomputation only one keeps the values too. */
    int64_t floats = (int64_t)sizeof(float);
    int64_t text = size.rows * vlm->row_bytes;
    int64_t pictures = size.picture_tokens * vlm->picture_row_bytes;
    int64_t block = text + pictures;
    int64_t inputs = size.rows * vlm->width * floats * vlm->layers;
    int64_t all = text * vlm->layers + pictures * vlm->picture_layers;
    return block + head_cross_entropy_bytes(vlm->vocab) + (recompute ? block + 2 * inputs : all + inputs);
}

bool estimate_recompute(int64_t bytes, int64_t room)
{
    return room && bytes > room / 2;
}
