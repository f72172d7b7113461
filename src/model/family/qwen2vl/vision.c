/* x = W_patch row;  x += proj(attention(rope(q), rope(k), v)), [q k v] = qkv(LN x);  x +=
 * fc2(quick_gelu(fc1(LN x))); merger: fc2(gelu(fc1(four neighbouring rows of LN x))).  Attention
 * is full within one picture. */
#include "model/family/qwen2vl/vision.h"

#include "model/fields.h"
#include "model/load.h"
#include "tensor/probe.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* VisionRotaryEmbedding's and the LayerNorms', not in any file */
static const double theta = 10000, eps = 1e-6;

static Status load_sizes(Qwen2VLVision *v, int64_t patch_dim[5], const Json *config, int64_t out, Error *e)
{
    const char *where = "vision_config";
    const json_t *o;
    field_section(config, where, &o, e);
    int64_t patch, temporal, channels;
    double ratio;
    const char *act;
    json_integer_or(config, o, where, "depth", 1, 1000, 32, &v->depth, e);
    json_integer_or(config, o, where, "embed_dim", 1, 1 << 20, 1280, &v->width, e);
    json_integer_or(config, o, where, "num_heads", 1, 1 << 16, 16, &v->heads, e);
    json_integer_or(config, o, where, "hidden_size", 1, 1 << 20, 3584, &v->out, e);
    json_integer_or(config, o, where, "in_channels", 3, 3, 3, &channels, e);
    json_integer_or(config, o, where, "patch_size", 1, 256, 14, &patch, e);
    json_integer_or(config, o, where, "temporal_patch_size", 1, 16, 2, &temporal, e);
    json_integer_or(config, o, where, "spatial_merge_size", 1, 16, 2, &v->merge, e);
    json_real_or(config, o, where, "mlp_ratio", 1e-3, 1000, 4, &ratio, e);
    json_string_or(config, o, where, "hidden_act", "quick_gelu", &act, e);
    if (e->status == OK && strcmp(act, "quick_gelu"))
        error_set(e, BAD_INPUT, "%s: %s.hidden_act: wanted \"quick_gelu\", found \"%s\"", config->path, where,
                  act);
    if (e->status == OK && (v->width % v->heads || v->width / v->heads % 4))
        error_set(e, BAD_INPUT, "%s: %s: embed_dim %lld is no multiple of 4 * num_heads %lld", config->path,
                  where, (long long)v->width, (long long)v->heads);
    if (e->status == OK && v->out != out)
        error_set(e, BAD_INPUT, "%s: %s.hidden_size %lld is not the text model's hidden_size %lld",
                  config->path, where, (long long)v->out, (long long)out);
    if (e->status != OK)
        return e->status;
    v->hidden = (int64_t)((double)v->width * ratio);
    v->attention = (Attention){v->heads, v->heads, v->width / v->heads,
                               (float)(1 / sqrt((double)(v->width / v->heads))), false};
    v->patch_values = channels * temporal * patch * patch;
    const int64_t dim[5] = {v->width, channels, temporal, patch, patch};
    memcpy(patch_dim, dim, sizeof dim);
    return OK;
}

Status qwen2vl_vision_load(Qwen2VLVision *v, Vlm *vlm, const Json *config, int64_t out, Error *e)
{
    Checkpoint *c = &vlm->checkpoint;
    int64_t dim[5];
    if (load_sizes(v, dim, config, out, e) != OK ||
        !(v->block = arena_zero(&vlm->arena, v->depth, sizeof *v->block, e)))
        return e->status;
    c->part = PART_VISION;
    v->patch_embed = (Linear){checkpoint_param(c, e, 5, dim, "visual.patch_embed.proj.weight"), NULL};
    for (int64_t i = 0; i < v->depth; i++) {
        char p[40];
        snprintf(p, sizeof p, "visual.blocks.%lld", (long long)i);
        v->block[i] = (VisionBlock){
            .norm1 = load_layernorm(c, v->width, eps, e, "%s.norm1", p),
            .norm2 = load_layernorm(c, v->width, eps, e, "%s.norm2", p),
            .qkv = load_linear(c, 3 * v->width, v->width, true, e, "%s.attn.qkv", p),
            .proj = load_linear(c, v->width, v->width, true, e, "%s.attn.proj", p),
            .fc1 = load_linear(c, v->hidden, v->width, true, e, "%s.mlp.fc1", p),
            .fc2 = load_linear(c, v->width, v->hidden, true, e, "%s.mlp.fc2", p),
        };
    }
    int64_t merged = v->width * v->merge * v->merge;
    c->part = PART_MERGER;
    v->merger_norm = load_layernorm(c, v->width, eps, e, "visual.merger.ln_q");
    v->merger_fc1 = load_linear(c, merged, merged, true, e, "visual.merger.mlp.0");
    v->merger_fc2 = load_linear(c, v->out, merged, true, e, "visual.merger.mlp.2");
    return e->status;
}

const VisionPlaces *qwen2vl_vision_places(Run *run, const Qwen2VLVision *v, const Picture *const *pictures,
                                          int64_t count)
{
    VisionPlaces *p = run_alloc(run, 1, sizeof *p);
    int64_t *start = run_alloc(run, count + 1, sizeof *start), m = v->merge;
    if (!p || !start)
        return NULL;
    start[0] = 0;
    for (int64_t i = 0; i < count; i++)
        start[i + 1] = start[i] + pictures[i]->rows;
    const int64_t N = start[count], E = v->attention.width;
    int32_t *y = run_alloc(run, 2 * N, sizeof *y), *x = y + N;
    if (!y)
        return NULL;
    for (int64_t i = 0; i < count; i++) {
        int64_t across = pictures[i]->grid[2] / m;
        for (int64_t r = 0; r < pictures[i]->rows; r++) { /* rows go by blocks of merge x merge */
            int64_t at = r / (m * m), within = r % (m * m);
            y[start[i] + r] = (int32_t)(at / across * m + within / m);
            x[start[i] + r] = (int32_t)(at % across * m + within % m);
        }
    }
    const int64_t section[] = {E / 4, E / 4};
    const RotaryRule rule = {.head = E,
                             .turned = E,
                             .theta = theta,
                             .section = section,
                             .sections = 2,
                             .restart = true,
                             .scale = 1};
    *p = (VisionPlaces){rope_table(run, &rule, y, N), {count, start}};
    return p->rope ? p : NULL;
}

typedef struct {
    const Qwen2VLVision *v;
    const VisionBlock *b;
    const VisionPlaces *places;
} Context;

static Mat *block(Run *run, void *context, Mat *x)
{
    const Context *c = context;
    int64_t D = c->v->width;
    Mat *qkv = linear(run, &c->b->qkv, layernorm(run, &c->b->norm1, x));
    Mat *q = rope(run, c->places->rope, mat_columns(run, qkv, 0, D));
    Mat *k = rope(run, c->places->rope, mat_columns(run, qkv, D, D));
    Mat *v = mat_columns(run, qkv, 2 * D, D);
    x = add(run, x,
            linear(run, &c->b->proj, attention(run, &c->v->attention, q, k, v, &c->places->seqs, NULL, 0)));
    return add(
        run, x,
        linear(run, &c->b->fc2, quick_gelu(run, linear(run, &c->b->fc1, layernorm(run, &c->b->norm2, x)))));
}

Mat *qwen2vl_vision_block(Run *run, const Qwen2VLVision *v, int64_t i, const VisionPlaces *places, Mat *x)
{
    Context c = {v, v->block + i, places};
    return places ? run_block(run, block, &c, sizeof c, x) : NULL;
}

Mat *qwen2vl_vision_merger(Run *run, const Qwen2VLVision *v, Mat *x)
{
    Mat *merged = merge_rows(run, layernorm(run, &v->merger_norm, x), v->merge * v->merge);
    return linear(run, &v->merger_fc2, gelu(run, linear(run, &v->merger_fc1, merged)));
}

Mat *qwen2vl_vision(Run *run, const Qwen2VLVision *v, const Picture *const *pictures, int64_t count)
{
    const VisionPlaces *places = qwen2vl_vision_places(run, v, pictures, count);
    Mat *x = places ? linear(run, &v->patch_embed, picture_patches(run, pictures, count)) : NULL;
    probe_mat(run, x, 0, "visual.patch_embed");
    for (int64_t i = 0; i < v->depth; i++) {
        x = qwen2vl_vision_block(run, v, i, places, x);
        probe_mat(run, x, 0, "visual.blocks.%lld", (long long)i);
    }
    x = qwen2vl_vision_merger(run, v, x);
    probe_mat(run, x, 0, "visual.merger");
    return x;
}
