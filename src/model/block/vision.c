/* x = [class; W_patch patch + b] + table[position], the layers, the last norm. Invariant: the rows of
 * a frame follow one another, its class token first, and no row sees another frame. */
#include "model/block/vision.h"

#include "tensor/probe.h"

#include <stdio.h>

/* Rows that are worth the packing of a product's weights, and few enough for what a layer makes of
 * them to stay near the CPU. */
enum { SLICE = 1024 };

Status vision_load(Vision *v, Vlm *vlm, const char *name, const VisionShape *z, int64_t patches, Error *e)
{
    Checkpoint *c = &vlm->checkpoint;
    const int64_t D = z->layer.width;
    char layers[80];
    if (e->status != OK)
        return e->status;
    *v = (Vision){.name = name, .shape = *z};
    c->part = PART_VISION;
    v->patch.weight = checkpoint_param(c, e, z->patch_dims, z->patch_dim, "%s.%s.weight", name, z->patch);
    if (v->patch.weight)
        v->patch.weight->linear = true;
    if (z->patch_bias)
        v->patch.bias = checkpoint_vector(c, e, D, "%s.%s.bias", name, z->patch);
    if (z->class_token)
        v->class_token = checkpoint_param(c, e, 3, (int64_t[]){1, 1, D}, "%s.%s", name, z->class_token);
    if (z->positions)
        v->positions =
            checkpoint_param(c, e, z->positions_dims, z->positions_dim, "%s.%s", name, z->positions);
    snprintf(layers, sizeof layers, "%s.%s", name, z->layers);
    transformer_load(&v->layers, vlm, layers, &z->layer, e);
    v->layers.slice = SLICE;
    if (z->post_norm) {
        c->unused = z->post_norm_unused;
        v->post_norm = norm_load(c, z->layer.norm, D, z->layer.eps, e, "%s.%s", name, z->post_norm);
        c->unused = false;
    }
    if (e->status != OK)
        return e->status;
    const int64_t pixels = patches * v->patch.weight->count / D * (int64_t)sizeof(float);
    vlm->picture_row = transformer_row_bytes(&z->layer, patches);
    vlm->picture_row.slice = SLICE;
    vlm->picture_row.together =
        v->positions ? v->positions->count / D : 0; /* a frame's, where their number is fixed */
    vlm->picture_row.forward += pixels;
    /* pixels; values and gradients of the embedding, the last norm and the merger */
    vlm->picture_row.around = pixels + 8 * vlm->picture_row.input;
    return OK;
}

Seqs vision_frames(Run *run, const Picture *const *pictures, int64_t count, int64_t extra)
{
    int64_t frames = 0;
    for (int64_t i = 0; i < count; i++)
        frames += pictures[i]->grid[0];
    int64_t *start = run_alloc(run, frames + 1, sizeof *start);
    if (!start)
        return (Seqs){0};
    int64_t frame = 0;
    start[0] = 0;
    for (int64_t i = 0; i < count; i++)
        for (int64_t f = 0; f < pictures[i]->grid[0]; f++) {
            start[frame + 1] = start[frame] + extra + pictures[i]->grid[1] * pictures[i]->grid[2];
            frame++;
        }
    return (Seqs){frames, start};
}

/* x [patches, D] -> [rows, D]: the class token before the patches of each frame. */
static Mat *put_class(Run *run, const Vision *v, const Seqs *frames, Mat *x)
{
    const int64_t rows = frames->start[frames->count];
    int64_t *from = run_alloc(run, rows, sizeof *from);
    int32_t *first = run_alloc(run, frames->count, sizeof *first);
    if (!x || !from || !first)
        return NULL;
    for (int64_t f = 0; f < frames->count; f++) {
        first[f] = 0;               /* the only row of its table */
        from[frames->start[f]] = 0; /* any: scatter_rows puts the token over it */
        for (int64_t n = frames->start[f] + 1; n < frames->start[f + 1]; n++)
            from[n] = n - f - 1;
    }
    Mat *token = embedding(run, v->class_token, first, frames->count);
    return scatter_rows(run, gather_rows(run, x, from, rows), token, frames->start);
}

Mat *vision_drop_first(Run *run, const Seqs *frames, Mat *x)
{
    const int64_t patches = frames->start[frames->count] - frames->count;
    int64_t *from = x ? run_alloc(run, patches, sizeof *from) : NULL;
    for (int64_t f = 0; from && f < frames->count; f++)
        for (int64_t n = frames->start[f] + 1; n < frames->start[f + 1]; n++)
            from[n - f - 1] = n;
    return gather_rows(run, x, from, patches);
}

static int64_t probe_batch(const Vision *v, const VisionRows *rows)
{
    return v->shape.by_frame ? rows->rows.seqs.count : 0;
}

Mat *vision_embedded(Run *run, const Vision *v, const VisionRows *rows, Mat *patches)
{
    Mat *x = linear(run, &v->patch, patches);
    if (v->class_token)
        x = put_class(run, v, &rows->rows.seqs, x);
    if (x && v->positions)
        x = add(run, x, embedding(run, v->positions, rows->position, x->rows));
    probe_mat(run, x, probe_batch(v, rows), "%s.%s", v->name, v->shape.embedded);
    return x;
}

Mat *vision(Run *run, const Vision *v, const VisionRows *rows, Mat *patches)
{
    Run tower = *run;
    if (!rows)
        return NULL;
    if (run->frozen_tower)
        tower.tape = NULL;
    const int64_t batch = probe_batch(v, rows);
    Mat *x = vision_embedded(&tower, v, rows, patches);
    x = transformer(&tower, &v->layers, &rows->rows, batch, x);
    if (v->shape.post_norm && !v->shape.post_norm_unused) {
        x = norm(&tower, &v->post_norm, x);
        probe_mat(run, x, batch, "%s.%s", v->name, v->shape.post_norm);
    }
    if (v->class_token)
        x = vision_drop_first(&tower, &rows->rows.seqs, x);
    if (x)
        x->constant = run->frozen_tower;
    return x;
}

Mat *vision_shuffle(Run *run, const Picture *const *pictures, int64_t count, int64_t scale, Mat *x)
{
    const int64_t s = scale;
    int64_t *at = x ? run_alloc(run, x->rows, sizeof *at) : NULL;
    int64_t from = 0; /* first row of the frame */
    for (int64_t i = 0; at && i < count; i++) {
        const int64_t across = pictures[i]->grid[2];
        const int64_t patches = pictures[i]->grid[1] * across;
        for (int64_t f = 0; f < pictures[i]->grid[0]; f++) {
            for (int64_t k = 0; k < patches; k++) {
                int64_t to = k / (s * s);
                int64_t y = to / (across / s) * s + k % (s * s) / s;
                int64_t column = to % (across / s) * s + k % s;
                at[from + k] = from + y * across + column;
            }
            from += patches;
        }
    }
    return at ? merge_rows(run, gather_rows(run, x, at, from), s * s) : NULL;
}
