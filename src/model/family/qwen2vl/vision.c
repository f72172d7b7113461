/* The tower's names and sizes, its rotary rule, and the merger:
 *
 *     merger(x) = fc2(gelu(fc1(join(LN(x)))))     join: merge^2 neighbouring rows become one
 *
 * Rows are in blocks of merge x merge patches, so those that are joined follow one another. The
 * angles of a patch are multiples of its row and column. (Qwen2VisionTransformerPretrainedModel, PatchMerger) */
#include "model/family/qwen2vl/vision.h"

#include "model/fields.h"
#include "model/load.h"
#include "tensor/probe.h"

#include <string.h>

/* VisionRotaryEmbedding's and the LayerNorms', not in any file */
static const double theta = 10000;
static const double eps = 1e-6;

static const LayerName names[] = {
    {LAYER_NORM1, "norm1", false},
    {LAYER_NORM2, "norm2", false},
    {LAYER_QKV, "attn.qkv", true},
    {LAYER_OUT, "attn.proj", true},
    {LAYER_UP, "mlp.fc1", true},
    {LAYER_DOWN, "mlp.fc2", true},
    {0},
};

static Status load_sizes(Qwen2VLVision *v, TransformerShape *l, const Json *config, int64_t out, Error *e)
{
    const char *where = "vision_config";
    const json_t *o;
    int64_t channels;
    double ratio;
    field_section(config, where, &o, e);
    json_integer_or(config, o, where, "depth", 1, 1000, 32, &l->layers, e);
    json_integer_or(config, o, where, "embed_dim", 1, 1 << 20, 1280, &l->width, e);
    json_integer_or(config, o, where, "num_heads", 1, 1 << 16, 16, &l->heads, e);
    json_integer_or(config, o, where, "hidden_size", 1, 1 << 20, 3584, &v->out, e);
    json_integer_or(config, o, where, "in_channels", 3, 3, 3, &channels, e);
    json_integer_or(config, o, where, "patch_size", 1, 256, 14, &v->patch, e);
    json_integer_or(config, o, where, "temporal_patch_size", 1, 16, 2, &v->temporal, e);
    json_integer_or(config, o, where, "spatial_merge_size", 1, 16, 2, &v->merge, e);
    json_real_or(config, o, where, "mlp_ratio", 1e-3, 1000, 4, &ratio, e);
    field_text(config, o, where, "hidden_act", "quick_gelu", e);
    if (e->status == OK && (l->width % l->heads || l->width / l->heads % 4))
        error_set(e, BAD_INPUT, "%s: %s: embed_dim %lld is no multiple of 4 * num_heads %lld", config->path,
                  where, (long long)l->width, (long long)l->heads);
    if (e->status == OK && v->out != out)
        error_set(e, BAD_INPUT, "%s: %s.hidden_size %lld is not the text model's hidden_size %lld",
                  config->path, where, (long long)v->out, (long long)out);
    l->hidden = (int64_t)((double)l->width * ratio);
    l->kv_heads = l->heads;
    l->head_width = l->width / l->heads;
    return e->status;
}

Status qwen2vl_vision_load(Qwen2VLVision *v, Vlm *vlm, const Json *config, int64_t out, Error *e)
{
    Checkpoint *c = &vlm->checkpoint;
    VisionShape z = {
        .patch = "patch_embed.proj",
        .layers = "blocks",
        .embedded = "patch_embed",
        .layer = {.norm = NORM_LAYER, .eps = eps, .activation = quick_gelu, .names = names},
    };
    if (load_sizes(v, &z.layer, config, out, e) != OK)
        return e->status;
    const int64_t dim[5] = {z.layer.width, 3, v->temporal, v->patch, v->patch};
    z.patch_dims = 5;
    memcpy(z.patch_dim, dim, sizeof dim);
    vision_load(&v->tower, vlm, "visual", &z, v->merge * v->merge, e);
    const int64_t merged = z.layer.width * v->merge * v->merge;
    c->part = PART_MERGER;
    v->merger_norm = norm_load(c, NORM_LAYER, z.layer.width, eps, e, "visual.merger.ln_q");
    v->merger_fc1 = load_linear(c, merged, merged, true, e, "visual.merger.mlp.0");
    v->merger_fc2 = load_linear(c, v->out, merged, true, e, "visual.merger.mlp.2");
    return e->status;
}

const VisionRows *qwen2vl_vision_rows(Run *run, const Qwen2VLVision *v, const Picture *const *pictures,
                                      int64_t count)
{
    const int64_t m = v->merge;
    const int64_t E = v->tower.shape.layer.head_width;
    const Seqs frames = vision_frames(run, pictures, count, 0);
    const int64_t N = frames.start ? frames.start[frames.count] : 0;
    VisionRows *rows = run_alloc(run, 1, sizeof *rows);
    int32_t *position = run_alloc(run, 2 * N, sizeof *position); /* [2, N]: row and column */
    if (!rows || !position)
        return NULL;
    int64_t row = 0;
    for (int64_t i = 0; i < count; i++) {
        const int64_t across = pictures[i]->grid[2] / m;
        for (int64_t r = 0; r < pictures[i]->rows; r++) {
            const int64_t at = r / (m * m);
            const int64_t within = r % (m * m);
            position[row + r] = (int32_t)(at / across * m + within / m);
            position[N + row + r] = (int32_t)(at % across * m + within % m);
        }
        row += pictures[i]->rows;
    }
    const int64_t section[] = {E / 4, E / 4};
    const RotaryRule rule = {.head = E,
                             .turned = E,
                             .theta = theta,
                             .section = section,
                             .sections = 2,
                             .restart = true,
                             .scale = 1};
    *rows = (VisionRows){{rope_table(run, &rule, position, N), frames, NULL}, NULL};
    return rows->rows.rope ? rows : NULL;
}

Mat *qwen2vl_vision_merger(Run *run, const Qwen2VLVision *v, Mat *x)
{
    Mat *joined = merge_rows(run, norm(run, &v->merger_norm, x), v->merge * v->merge);
    return linear(run, &v->merger_fc2, gelu(run, linear(run, &v->merger_fc1, joined)));
}

Mat *qwen2vl_vision(Run *run, const Qwen2VLVision *v, const Picture *const *pictures, int64_t count)
{
    const VisionRows *rows = qwen2vl_vision_rows(run, v, pictures, count);
    Mat *x = vision(run, &v->tower, rows, picture_patches(run, pictures, count));
    x = qwen2vl_vision_merger(run, v, x);
    probe_mat(run, x, 0, "visual.merger");
    return x;
}
