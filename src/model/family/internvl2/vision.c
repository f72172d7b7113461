/* InternViT-300M and the connector, per tile of side x side patches:
 *
 *     x = [class; W patch + b] + table
 *     x += ls1 * proj(attention(qkv(LN(x)))),  x += ls2 * fc2(gelu(fc1(LN(x))))      no last norm
 *     mlp1: fc2(gelu(fc1(LN(shuffle(x without class)))))
 *
 * shuffle is pixel shuffle "v2": 2 x 2 neighbouring patches become one row, dy slow, dx fast. LN has
 * eps layer_norm_eps in the tower, 1e-5 in mlp1. (InternVisionModel, InternVLChatModel) */
#include "model/family/internvl2/vision.h"

#include "model/fields.h"
#include "model/load.h"
#include "tensor/probe.h"

#include <math.h>
#include <string.h>

static const LayerName names[] = {
    {LAYER_NORM1, "norm1", false}, {LAYER_QKV, "attn.qkv", true}, {LAYER_OUT, "attn.proj", true},
    {LAYER_SCALE1, "ls1", false},  {LAYER_NORM2, "norm2", false}, {LAYER_UP, "mlp.fc1", true},
    {LAYER_DOWN, "mlp.fc2", true}, {LAYER_SCALE2, "ls2", false},  {0},
};

static void want_flag(const Json *config, const json_t *o, const char *where, const char *key, bool wanted,
                      Error *e)
{
    bool found;
    json_bool_or(config, o, where, key, wanted, &found, e);
    if (e->status == OK && found != wanted)
        error_set(e, BAD_INPUT, "%s: %s.%s is %s; only %s is supported", config->path, where, key,
                  found ? "true" : "false", wanted ? "true" : "false");
}

/* InternVisionConfig, with the 300M tower's values where a field is absent. */
static Status load_sizes(InternVL2Vision *v, TransformerShape *l, const Json *config, Error *e)
{
    const char *where = "vision_config";
    const json_t *o;
    int64_t channels, image, forced, layer;
    double ratio;
    field_section(config, where, &o, e);
    json_integer_or(config, o, where, "hidden_size", 1, 1 << 20, 1024, &l->width, e);
    json_integer_or(config, o, where, "intermediate_size", 1, 1 << 20, 4096, &l->hidden, e);
    json_integer_or(config, o, where, "num_hidden_layers", 1, 1000, 24, &l->layers, e);
    json_integer_or(config, o, where, "num_attention_heads", 1, 1 << 16, 16, &l->heads, e);
    json_integer_or(config, o, where, "num_channels", 3, 3, 3, &channels, e);
    json_integer_or(config, o, where, "image_size", 1, 1 << 14, 448, &image, e);
    json_integer_or(config, o, where, "patch_size", 1, 1 << 10, 14, &v->patch, e);
    json_real_or(config, o, where, "layer_norm_eps", 0, 1, 1e-6, &l->eps, e);
    field_text(config, o, where, "hidden_act", "gelu", e);
    field_text(config, o, where, "norm_type", "layer_norm", e);
    want_flag(config, o, where, "qkv_bias", true, e);
    want_flag(config, o, where, "qk_normalization", false, e);
    field_text(config, config->root, "", "ps_version", "v2", e);
    json_integer_or(config, config->root, "", "force_image_size", 1, 1 << 14, image, &forced, e);
    json_integer_or(config, config->root, "", "select_layer", -1, -1, -1, &layer, e);
    json_real_or(config, config->root, "", "downsample_ratio", 0.01, 1, 0.5, &ratio, e);
    if (e->status != OK)
        return e->status;
    v->side = image / v->patch;
    v->scale = (int64_t)(1 / ratio + 0.5);
    l->kv_heads = l->heads;
    l->head_width = l->width / l->heads;
    if (forced != image)
        error_set(e, BAD_INPUT, "%s: force_image_size %lld is not %s.image_size %lld", config->path,
                  (long long)forced, where, (long long)image);
    if (l->width % l->heads)
        error_set(e, BAD_INPUT, "%s: %s: hidden_size %lld is no multiple of num_attention_heads %lld",
                  config->path, where, (long long)l->width, (long long)l->heads);
    if (image % v->patch || v->side % v->scale || fabs(ratio * (double)v->scale - 1) > 1e-9)
        error_set(e, BAD_INPUT,
                  "%s: %s.image_size %lld, patch_size %lld and downsample_ratio %g do not divide",
                  config->path, where, (long long)image, (long long)v->patch, ratio);
    return e->status;
}

Status internvl2_vision_load(InternVL2Vision *v, Vlm *vlm, const Json *config, int64_t width, Error *e)
{
    Checkpoint *c = &vlm->checkpoint;
    VisionShape z = {
        .patch = "embeddings.patch_embedding",
        .patch_bias = true,
        .patch_dims = 4,
        .class_token = "embeddings.class_embedding",
        .positions = "embeddings.position_embedding",
        .positions_dims = 3,
        .layers = "encoder.layers",
        .embedded = "embeddings",
        .by_frame = true,
        .layer = {.norm = NORM_LAYER, .activation = gelu, .names = names},
    };
    if (load_sizes(v, &z.layer, config, e) != OK)
        return e->status;
    const int64_t D = z.layer.width;
    const int64_t merged = D * v->scale * v->scale;
    const int64_t patch[4] = {D, 3, v->patch, v->patch};
    const int64_t positions[3] = {1, v->side * v->side + 1, D};
    memcpy(z.patch_dim, patch, sizeof patch);
    memcpy(z.positions_dim, positions, sizeof positions);
    vision_load(&v->tower, vlm, "vision_model", &z, v->scale * v->scale, e);
    c->part = PART_MERGER;
    v->norm = norm_load(c, NORM_LAYER, merged, 1e-5, e, "mlp1.0");
    v->fc1 = load_linear(c, width, merged, true, e, "mlp1.1");
    v->fc2 = load_linear(c, width, width, true, e, "mlp1.3");
    return e->status;
}

const VisionRows *internvl2_rows(Run *run, const Picture *const *pictures, int64_t count)
{
    const Seqs frames = vision_frames(run, pictures, count, 1);
    VisionRows *r = run_alloc(run, 1, sizeof *r);
    int32_t *position = frames.start ? run_alloc(run, frames.start[frames.count], sizeof *position) : NULL;
    if (!r || !position)
        return NULL;
    for (int64_t f = 0; f < frames.count; f++)
        for (int64_t n = frames.start[f]; n < frames.start[f + 1]; n++)
            position[n] = (int32_t)(n - frames.start[f]);
    *r = (VisionRows){{.seqs = frames}, position};
    return r;
}

Mat *internvl2_connector(Run *run, const InternVL2Vision *v, const Picture *const *pictures, int64_t count,
                         Mat *x)
{
    x = norm(run, &v->norm, vision_shuffle(run, pictures, count, v->scale, x));
    return linear(run, &v->fc2, gelu(run, linear(run, &v->fc1, x)));
}

Mat *internvl2_vision(Run *run, const InternVL2Vision *v, const Picture *const *pictures, int64_t count)
{
    const VisionRows *rows = internvl2_rows(run, pictures, count);
    Mat *x = vision(run, &v->tower, rows, picture_patches(run, pictures, count));
    x = internvl2_connector(run, v, pictures, count, x);
    probe_mat(run, x, rows ? rows->rows.seqs.count : 0, "mlp1");
    return x;
}
