/* Estimates of training's memory.
 *
 * A pass takes most while a layer goes backward: what all layers kept, the gradients between them,
 * and that layer's own gradients. Or while the loss is computed, before any gradient is there.
 * What a layer takes is counted beside it (model/block/transformer.c); tests/train/estimate_test.c
 * compares the sums with what a pass really takes. */
#include "train/estimate.h"

#include "base/number.h"
#include "tensor/gemm.h"
#include "train/state_files.h"

unsigned estimate_idle(const Vlm *vlm, const LevelConfig *o)
{
    unsigned idle = 0;
    for (unsigned part = 0; part <= PART_TEXT; part++)
        idle |= optimiser_values(vlm, o, 1u << part) ? 0 : 1u << part;
    return idle;
}

PassSize pass_size(const Vlm *vlm, const LevelConfig *o, const Samples *samples)
{
    PassSize size = {.idle = estimate_idle(vlm, o)};
    for (int64_t i = 0; i < samples->count; i++) {
        size.rows += samples->sample[i].count;
        size.longest = max_i64(size.longest, samples->sample[i].count);
    }
    for (int64_t i = 0; i < samples->pictures; i++) {
        const Picture *p = samples->picture + i;
        size.picture_tokens += p->tokens;
        size.picture = max_i64(size.picture, p->tokens);
    }
    return size;
}

int64_t estimate_state(const Vlm *vlm, const LevelConfig *o)
{
    const int64_t copies = optimiser_offloads(o) ? 2 : 4;
    return optimiser_values(vlm, o, ~0u) * copies * (int64_t)sizeof(float);
}

int64_t estimate_mapped(const Vlm *vlm, const LevelConfig *o)
{
    int64_t bytes = 0;
    for (int64_t i = 0; i < vlm->checkpoint.params; i++) {
        const Param *p = vlm->checkpoint.param[i];
        const bool trained = !vlm->adapter.count && !(o->freeze & 1u << p->part);
        if (!trained && !p->unused)
            bytes += p->count * (int64_t)dtype_size(p->stored);
    }
    return bytes;
}

/* What is kept of a tower until its backward pass, and the gradients between its layers. */
static int64_t tower_kept(const RowBytes *row, int64_t rows, bool recompute)
{
    int64_t values = recompute ? row->input : row->kept;
    return rows * (row->around + row->layers * (values + row->input));
}

/* How many of a tower's rows go through it at a time (Transformer.slice): those of some frames.
 * picture: rows of the largest. */
static int64_t slice_rows(const RowBytes *row, int64_t rows, int64_t picture)
{
    const int64_t frames = row->together ? max_i64(1, row->slice / row->together) * row->together
                                         : max_i64(row->slice, picture * row->rows);
    return row->slice ? min_i64(rows, (frames + row->rows - 1) / row->rows) : rows;
}

/* What one layer takes while it goes backward. */
static int64_t layer_backward(const RowBytes *row, int64_t rows, int64_t longest, bool recompute)
{
    return rows * (row->backward + (recompute ? row->kept : 0)) + rows_scratch(row, rows, longest, true);
}

/* What adapters keep for a row of the part: u of each module. In a recomputed pass one layer's at a time. */
static int64_t lora_kept(const Vlm *vlm, bool text, int64_t rows, bool recompute)
{
    const int64_t layers = text ? vlm->text_row.layers : vlm->picture_row.layers;
    int64_t values = 0;
    for (int64_t i = 0; i < vlm->adapter.count; i++)
        values += (vlm->adapter.lora[i]->a.part == PART_TEXT) == text ? vlm->adapter.rank : 0;
    return rows * (recompute ? values / layers : values) * (int64_t)sizeof(float);
}

/* Of the features of so many tokens. */
static int64_t feature_bytes(const Vlm *vlm, int64_t tokens)
{
    return tokens * vlm->width * (int64_t)sizeof(float);
}

static bool is_frozen(unsigned idle)
{
    const unsigned seen = 1u << PART_VISION | 1u << PART_MERGER;
    return (idle & seen) == seen;
}

/* What a trained vision tower keeps until its backward pass. In slices: what they end with, the same
 * joined, and gradients. */
static int64_t vision_kept(const Vlm *vlm, PassSize size, int64_t slice, bool recompute)
{
    const RowBytes *row = &vlm->picture_row;
    const int64_t rows = size.picture_tokens;
    if (slice == rows)
        return tower_kept(row, rows, recompute) + lora_kept(vlm, false, rows, recompute);
    const int64_t values =
        recompute ? 0 : rows * row->layers * row->kept + lora_kept(vlm, false, rows, false);
    return rows * (row->around + 3 * row->input) + values;
}

/* What it takes while a layer goes backward. In slices: with what the slice's layers keep, where it was not kept, and the
 * gradients between them. */
static int64_t vision_backward(const Vlm *vlm, PassSize size, int64_t slice, bool recompute)
{
    const RowBytes *row = &vlm->picture_row;
    if (slice == size.picture_tokens)
        return layer_backward(row, slice, slice, recompute);
    const int64_t values =
        recompute ? slice * row->layers * row->kept + lora_kept(vlm, false, slice, false) : 0;
    return values + slice * row->layers * row->input + layer_backward(row, slice, slice, false);
}

/* What it takes without a backward pass. */
static int64_t vision_forward(const RowBytes *row, int64_t slice)
{
    return slice * (row->forward + row->input) + rows_scratch(row, slice, slice, false);
}

int64_t estimate_pass(const Vlm *vlm, PassSize size, bool recompute)
{
    const RowBytes *text = &vlm->text_row;
    const RowBytes *picture = &vlm->picture_row;
    const int64_t slice = slice_rows(picture, size.picture_tokens, size.picture);
    int64_t kept = tower_kept(text, size.rows, recompute) + lora_kept(vlm, true, size.rows, recompute);
    int64_t backward = layer_backward(text, size.rows, size.longest, recompute);
    const int64_t head = head_cross_entropy_bytes(vlm->vocab) + gemm_scratch(vlm->width);
    if (is_frozen(size.idle)) { /* a picture at a time, before the text */
        const int64_t one =
            size.picture * picture->around + vision_forward(picture, min_i64(slice, size.picture));
        return 2 * feature_bytes(vlm, size.picture_tokens) + max_i64(one, kept + max_i64(backward, head));
    }
    if (size.idle & 1u << PART_VISION) { /* then the tower keeps nothing */
        kept += size.picture_tokens * picture->around;
        backward = max_i64(backward, vision_forward(picture, slice));
    } else {
        kept += vision_kept(vlm, size, slice, recompute);
        backward = max_i64(backward, vision_backward(vlm, size, slice, recompute));
    }
    return kept + max_i64(backward, head);
}

bool estimate_frozen(const Vlm *vlm, const LevelConfig *o)
{
    return is_frozen(estimate_idle(vlm, o));
}

int64_t estimate_features(const Vlm *vlm, const LevelConfig *o, int64_t picture_tokens)
{
    return o->epochs > 1 && estimate_frozen(vlm, o) ? feature_bytes(vlm, picture_tokens) : 0;
}

/* One file of a state has a float32 for every trained value. */
static int64_t state_file_bytes(const Vlm *vlm, const LevelConfig *o)
{
    const bool saved = o->save_every || optimiser_offloads(o);
    return saved ? optimiser_values(vlm, o, ~0u) * (int64_t)sizeof(float) : 0;
}

int64_t estimate_states(const Vlm *vlm, const LevelConfig *o)
{
    enum { STATES = 2 };
    return STATES * STATE_KINDS * state_file_bytes(vlm, o);
}

int64_t estimate_result(const Vlm *vlm, const LevelConfig *o, int64_t *largest)
{
    const Checkpoint *c = &vlm->checkpoint;
    int64_t result = 0;
    for (int64_t i = 0; i < c->params; i++) {
        const Param *p = c->param[i];
        const Dtype type = o->dtype == DTYPE_FLOAT32 ? F32 : o->dtype == DTYPE_BFLOAT16 ? BF16 : p->stored;
        result += p->count * (int64_t)dtype_size(type);
    }
    *largest = max_i64(state_file_bytes(vlm, o), result / max_i64(1, c->files));
    return result;
}

bool estimate_recompute(int64_t bytes, int64_t room, int64_t taken)
{
    return room && bytes > max_i64(1, room - taken) / 2;
}

int64_t estimate_spare(int64_t bytes, int64_t room, int64_t taken)
{
    return room ? max_i64(0, room - taken - 2 * bytes) : INT64_MAX;
}
