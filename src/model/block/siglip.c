/* SigLIP's names, sizes and positions: patch (y, x) has row bucket(y) * side + bucket(x) of the
 * table, with bucket(i) = how many of k/side, k = 1 ... side - 1, are at most i/count. With `side`
 * patches along an edge that is i itself, but for float32 roundings, which are torch's here. */
#include "model/block/siglip.h"

#include "model/fields.h"
#include "model/load.h"

#include <math.h>

static const LayerName names[] = {
    {LAYER_NORM1, "layer_norm1", false},
    {LAYER_NORM2, "layer_norm2", false},
    {LAYER_Q, "self_attn.q_proj", true},
    {LAYER_K, "self_attn.k_proj", true},
    {LAYER_V, "self_attn.v_proj", true},
    {LAYER_OUT, "self_attn.out_proj", true},
    {LAYER_UP, "mlp.fc1", true},
    {LAYER_DOWN, "mlp.fc2", true},
    {0},
};

static Status load_sizes(VisionShape *z, Siglip *v, const Json *config, const SiglipSizes *defaults, Error *e)
{
    const char *where = "vision_config";
    const json_t *o;
    int64_t channels;
    TransformerShape *l = &z->layer;
    field_section(config, where, &o, e);
    json_integer_or(config, o, where, "hidden_size", 1, 1 << 20, defaults->width, &l->width, e);
    json_integer_or(config, o, where, "intermediate_size", 1, 1 << 20, defaults->hidden, &l->hidden, e);
    json_integer_or(config, o, where, "num_hidden_layers", 1 + defaults->truncated, 1000, defaults->layers,
                    &l->layers, e);
    json_integer_or(config, o, where, "num_attention_heads", 1, 1 << 16, defaults->heads, &l->heads, e);
    json_integer_or(config, o, where, "num_channels", 3, 3, 3, &channels, e);
    json_integer_or(config, o, where, "image_size", 1, 1 << 14, defaults->image, &v->image, e);
    json_integer_or(config, o, where, "patch_size", 1, 1 << 10, defaults->patch, &v->patch, e);
    json_real_or(config, o, where, "layer_norm_eps", 0, 1, 1e-6, &l->eps, e);
    field_text(config, o, where, "hidden_act", "gelu_pytorch_tanh", e);
    v->side = v->image / v->patch;
    v->ordered = defaults->truncated;
    l->layers -= defaults->truncated;
    if (e->status == OK && l->width % l->heads)
        error_set(e, BAD_INPUT, "%s: %s: hidden_size %lld is no multiple of num_attention_heads %lld",
                  config->path, where, (long long)l->width, (long long)l->heads);
    if (e->status == OK && !v->side)
        error_set(e, BAD_INPUT, "%s: %s: image_size %lld is less than patch_size %lld", config->path, where,
                  (long long)v->image, (long long)v->patch);
    l->kv_heads = l->heads;
    l->head_width = l->width / l->heads;
    return e->status;
}

/* What is on disk behind the last layer that runs: kept, and saved again. */
static Status load_rest(Vlm *vlm, const char *name, const TransformerShape *l, Error *e)
{
    Checkpoint *c = &vlm->checkpoint;
    const int64_t D = l->width;
    TransformerLayer last = {0};
    c->unused = true;
    transformer_load_layer(&last, c, l, e, "%s.encoder.layers.%lld", name, (long long)l->layers);
    checkpoint_param(c, e, 3, (int64_t[]){1, 1, D}, "%s.head.probe", name);
    checkpoint_matrix(c, e, 3 * D, D, "%s.head.attention.in_proj_weight", name);
    checkpoint_vector(c, e, 3 * D, "%s.head.attention.in_proj_bias", name);
    load_linear(c, D, D, true, e, "%s.head.attention.out_proj", name);
    norm_load(c, NORM_LAYER, D, l->eps, e, "%s.head.layernorm", name);
    load_linear(c, l->hidden, D, true, e, "%s.head.mlp.fc1", name);
    load_linear(c, D, l->hidden, true, e, "%s.head.mlp.fc2", name);
    c->unused = false;
    return e->status;
}

Status siglip_load(Siglip *v, Vlm *vlm, const Json *config, const char *name, const SiglipSizes *defaults,
                   int64_t scale, Error *e)
{
    VisionShape z = {
        .patch = "embeddings.patch_embedding",
        .patch_bias = true,
        .positions = "embeddings.position_embedding.weight",
        .layers = "encoder.layers",
        .post_norm = "post_layernorm",
        .embedded = "embeddings",
        .by_frame = true,
        .layer = {.norm = NORM_LAYER, .activation = gelu_tanh, .names = names},
    };
    if (load_sizes(&z, v, config, defaults, e) != OK)
        return e->status;
    z.positions_dims = 2;
    z.positions_dim[0] = v->side * v->side;
    z.positions_dim[1] = z.layer.width;
    z.patch_dims = 4;
    z.patch_dim[0] = z.layer.width;
    z.patch_dim[1] = 3;
    z.patch_dim[2] = v->patch;
    z.patch_dim[3] = v->patch;
    z.post_norm_unused = defaults->truncated;
    vision_load(&v->vision, vlm, name, &z, scale * scale, e);
    return defaults->rest_on_disk ? load_rest(vlm, name, &z.layer, e) : e->status;
}

/* torch.arange(0, end, step)[i], or [start + ...], in float32. It is computed in pieces of eight
 * from 16 values on: the first of a piece is rounded, and the others go on from what it was
 * rounded to. Where a fraction meets a boundary, that last bit decides. */
static float arange(double start, double step, int64_t i, int64_t count)
{
    if (i >= count / 16 * 16)
        return (float)(start + step * (double)i);
    float first = (float)(start + step * (double)(i / 8 * 8));
    return (float)((double)first + step * (double)(i % 8));
}

void siglip_buckets(int32_t *bucket, int64_t count, int64_t side)
{
    double part = 1 / (double)side;
    double step = (double)(1 / (float)count);
    int64_t boundaries = (int64_t)ceil((1 - part) / part);
    int64_t b = 0;
    for (int64_t i = 0; i < count; i++) {
        while (b < boundaries && arange(part, part, b, boundaries) <= arange(0, step, i, count))
            b++;
        bucket[i] = (int32_t)b;
    }
}

const VisionRows *siglip_rows(Run *run, const Siglip *v, const Picture *const *pictures, int64_t count)
{
    const Seqs frames = vision_frames(run, pictures, count, 0);
    VisionRows *rows = run_alloc(run, 1, sizeof *rows);
    int32_t *position = frames.start ? run_alloc(run, frames.start[frames.count], sizeof *position) : NULL;
    int64_t row = 0;
    for (int64_t i = 0; position && i < count; i++) {
        const int64_t down = pictures[i]->grid[1];
        const int64_t across = pictures[i]->grid[2];
        int32_t *y = run_alloc(run, down, sizeof *y);
        int32_t *x = run_alloc(run, across, sizeof *x);
        if (!y || !x)
            return NULL;
        siglip_buckets(y, down, v->side);
        siglip_buckets(x, across, v->side);
        for (int64_t k = 0; k < pictures[i]->rows; k++) {
            const int64_t at = k % (down * across);
            position[row + k] = v->ordered ? (int32_t)at : y[at / across] * (int32_t)v->side + x[at % across];
        }
        row += pictures[i]->rows;
    }
    if (!position || !rows)
        return NULL;
    *rows = (VisionRows){{.seqs = frames}, position};
    return rows;
}
