/* Packs samples into one batch and runs it: pictures through the vision tower, their rows into
 * the text, the text through the decoder. Invariant: row seqs.start[s] + i of a batch is token i
 * of sample s, and the pictures are in the order of the samples. */
#include "model/batch.h"

#include "layer/lora.h"
#include "model/family.h"

#include <string.h>

Batch *batch_pack(Run *run, const Sample *samples, int64_t count)
{
    int64_t rows = 0;
    int64_t pictures = 0;
    for (int64_t i = 0; i < count; i++) {
        rows += samples[i].count;
        pictures += samples[i].n_pictures;
    }
    Batch *b = run_alloc(run, 1, sizeof *b);
    int32_t *ids = run_alloc(run, rows, sizeof *ids);
    int32_t *position = run_alloc(run, 3 * rows, sizeof *position);
    int64_t *start = run_alloc(run, count + 1, sizeof *start);
    const Picture **list = run_alloc(run, pictures, sizeof *list);
    if (!b || !ids || !position || !start || !list)
        return NULL;
    int64_t row = 0;
    int64_t picture = 0;
    start[0] = 0;
    for (int64_t i = 0; i < count; i++) {
        const Sample *s = samples + i;
        memcpy(ids + row, s->ids, (size_t)s->count * sizeof *ids);
        for (int axis = 0; axis < 3; axis++)
            memcpy(position + axis * rows + row, s->position + axis * s->count,
                   (size_t)s->count * sizeof *position);
        for (int64_t p = 0; p < s->n_pictures; p++)
            list[picture + p] = s->pictures + p;
        picture += s->n_pictures;
        row += s->count;
        start[i + 1] = row;
    }
    *b = (Batch){rows, ids, position, {count, start}, list, pictures};
    return b;
}

Batch *batch_rows(Run *run, const int32_t *ids, const int32_t *position, int64_t count)
{
    Batch *b = run_alloc(run, 1, sizeof *b);
    int32_t *axes = run_alloc(run, 3 * count, sizeof *axes);
    int64_t *start = run_alloc(run, count + 1, sizeof *start);
    if (!b || !axes || !start)
        return NULL;
    for (int axis = 0; axis < 3; axis++)
        memcpy(axes + axis * count, position, (size_t)count * sizeof *position);
    for (int64_t i = 0; i <= count; i++)
        start[i] = i;
    *b = (Batch){count, ids, axes, {count, start}, NULL, 0};
    return b;
}

int64_t batch_labels(Run *run, const Batch *b, const Sample *samples, const int64_t **rows,
                     const int32_t **labels)
{
    int64_t count = 0;
    int64_t *at = b ? run_alloc(run, b->rows, sizeof *at) : NULL;
    int32_t *next = at ? run_alloc(run, b->rows, sizeof *next) : NULL;
    for (int64_t s = 0; next && s < b->seqs.count; s++)
        for (int64_t i = 0; samples[s].labels && i + 1 < samples[s].count; i++)
            if (samples[s].labels[i + 1] != LABEL_NONE) {
                at[count] = b->seqs.start[s] + i;
                next[count] = samples[s].labels[i + 1];
                count++;
            }
    *rows = at;
    *labels = next;
    return count;
}

/* Whether a gradient is wanted of any parameter of the part. */
static bool trains(const Vlm *vlm, Part part)
{
    for (int64_t i = 0; i < vlm->checkpoint.params; i++) {
        const Param *p = vlm->checkpoint.param[i];
        if ((p->grad || lora_wants_grad(p->lora)) && p->part == part)
            return true;
    }
    return false;
}

Status vlm_features(Run *run, const Vlm *vlm, const Picture *picture, float *out)
{
    const ArenaMark mark = arena_mark(run->arena);
    Run untaped = *run;
    untaped.tape = NULL;
    const Mat *rows = vlm->family->vision(&untaped, vlm, &picture, 1);
    if (rows)
        memcpy(out, rows->data, (size_t)(rows->rows * rows->cols) * sizeof *out);
    arena_release(run->arena, mark);
    return run->error->status;
}

/* The rows of pictures whose features are known. */
static Mat *known_rows(Run *run, const Vlm *vlm, const Batch *batch)
{
    int64_t tokens = 0;
    for (int64_t i = 0; i < batch->n_pictures; i++)
        tokens += batch->pictures[i]->tokens;
    Mat *rows = mat_new(run, tokens, vlm->width);
    float *out = rows ? rows->data : NULL;
    for (int64_t i = 0; out && i < batch->n_pictures; i++) {
        const int64_t values = batch->pictures[i]->tokens * vlm->width;
        memcpy(out, batch->pictures[i]->features, (size_t)values * sizeof *out);
        out += values;
    }
    return rows;
}

static Mat *picture_rows(Run *run, const Vlm *vlm, const Batch *batch)
{
    Run vision_run = *run;
    if (!batch->n_pictures)
        return NULL;
    if (batch->pictures[0]->features)
        return known_rows(run, vlm, batch);
    vision_run.frozen_tower = !run->pixels && !trains(vlm, PART_VISION);
    if (vision_run.frozen_tower && !trains(vlm, PART_MERGER))
        vision_run.tape = NULL;
    return vlm->family->vision(&vision_run, vlm, batch->pictures, batch->n_pictures);
}

Mat *vlm_forward(Run *run, const Vlm *vlm, const Batch *batch, KvCache *cache)
{
    if (!batch)
        return NULL;
    Mat *x = vlm->family->text(run, vlm, batch, cache, picture_rows(run, vlm, batch));
    if (x && cache)
        kv_cache_advance(cache, &batch->seqs);
    return x;
}

Mat *vlm_logits(Run *run, const Vlm *vlm, Mat *hidden)
{
    return linear(run, &vlm->head, hidden);
}
