/* x = W_patch row + b + position[bucket(y) * side + bucket(x)];  x += out(attention(q n, k n, v
 * n)), n = LN x;  x += fc2(gelu_tanh(fc1(LN x))); after the last layer LN.  Attention is full
 * within one frame. */
#include "model/family/smolvlm/siglip.h"

#include "model/fields.h"
#include "model/load.h"
#include "tensor/probe.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static Status load_sizes(Siglip *v, double *eps, const Json *config, Error *e)
{
    const char *where = "vision_config", *act;
    const json_t *o;
    field_section(config, where, &o, e);
    int64_t heads, channels, image;
    json_integer_or(config, o, where, "hidden_size", 1, 1 << 20, 1152, &v->width, e);
    json_integer_or(config, o, where, "intermediate_size", 1, 1 << 20, 3072, &v->hidden, e);
    json_integer_or(config, o, where, "num_hidden_layers", 1, 1000, 12, &v->depth, e);
    json_integer_or(config, o, where, "num_attention_heads", 1, 1 << 16, 16, &heads, e);
    json_integer_or(config, o, where, "num_channels", 3, 3, 3, &channels, e);
    json_integer_or(config, o, where, "image_size", 1, 1 << 14, 224, &image, e);
    json_integer_or(config, o, where, "patch_size", 1, 1 << 10, 32, &v->patch, e);
    json_real_or(config, o, where, "layer_norm_eps", 0, 1, 1e-6, eps, e);
    json_string_or(config, o, where, "hidden_act", "gelu_pytorch_tanh", &act, e);
    if (e->status == OK && strcmp(act, "gelu_pytorch_tanh"))
        error_set(e, BAD_INPUT, "%s: %s.hidden_act: wanted \"gelu_pytorch_tanh\", found \"%s\"", config->path,
                  where, act);
    if (e->status == OK && v->width % heads)
        error_set(e, BAD_INPUT, "%s: %s: hidden_size %lld is no multiple of num_attention_heads %lld",
                  config->path, where, (long long)v->width, (long long)heads);
    if (e->status == OK && !(v->side = image / v->patch))
        error_set(e, BAD_INPUT, "%s: %s: image_size %lld is less than patch_size %lld", config->path, where,
                  (long long)image, (long long)v->patch);
    if (e->status == OK)
        v->attention =
            (Attention){heads, heads, v->width / heads, (float)(1 / sqrt((double)(v->width / heads))), false};
    return e->status;
}

Status siglip_load(Siglip *v, Vlm *vlm, const Json *config, const char *name, Error *e)
{
    Checkpoint *c = &vlm->checkpoint;
    double eps;
    v->name = name;
    if (load_sizes(v, &eps, config, e) != OK ||
        !(v->layer = arena_zero(&vlm->arena, v->depth, sizeof *v->layer, e)))
        return e->status;
    const int64_t D = v->width, F = v->hidden, conv[4] = {D, 3, v->patch, v->patch};
    c->part = PART_VISION;
    v->patch_embedding =
        (Linear){checkpoint_param(c, e, 4, conv, "%s.embeddings.patch_embedding.weight", name),
                 checkpoint_vector(c, e, D, "%s.embeddings.patch_embedding.bias", name)};
    v->position_embedding =
        checkpoint_matrix(c, e, v->side * v->side, D, "%s.embeddings.position_embedding.weight", name);
    for (int64_t i = 0; i < v->depth && e->status == OK; i++) {
        char p[80];
        snprintf(p, sizeof p, "%s.encoder.layers.%lld", name, (long long)i);
        v->layer[i] = (SiglipLayer){
            .norm1 = load_layernorm(c, D, eps, e, "%s.layer_norm1", p),
            .norm2 = load_layernorm(c, D, eps, e, "%s.layer_norm2", p),
            .q = load_linear(c, D, D, true, e, "%s.self_attn.q_proj", p),
            .k = load_linear(c, D, D, true, e, "%s.self_attn.k_proj", p),
            .v = load_linear(c, D, D, true, e, "%s.self_attn.v_proj", p),
            .out = load_linear(c, D, D, true, e, "%s.self_attn.out_proj", p),
            .fc1 = load_linear(c, F, D, true, e, "%s.mlp.fc1", p),
            .fc2 = load_linear(c, D, F, true, e, "%s.mlp.fc2", p),
        };
    }
    v->post_layernorm = load_layernorm(c, D, eps, e, "%s.post_layernorm", name);
    return e->status;
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
    double part = 1 / (double)side, step = (double)(1 / (float)count);
    int64_t boundaries = (int64_t)ceil((1 - part) / part);
    for (int64_t i = 0, b = 0; i < count; i++) {
        while (b < boundaries && arange(part, part, b, boundaries) <= arange(0, step, i, count))
            b++;
        bucket[i] = (int32_t)b;
    }
}

const SiglipPlaces *siglip_places(Run *run, const Siglip *v, const Picture *const *pictures, int64_t count)
{
    int64_t frames = 0, rows = 0, frame = 0, row = 0;
    for (int64_t i = 0; i < count; i++) {
        frames += pictures[i]->grid[0];
        rows += pictures[i]->rows;
    }
    SiglipPlaces *p = run_alloc(run, 1, sizeof *p);
    int64_t *start = run_alloc(run, frames + 1, sizeof *start);
    int32_t *position = run_alloc(run, rows, sizeof *position);
    for (int64_t i = 0; p && start && position && i < count; i++) {
        int64_t down = pictures[i]->grid[1], across = pictures[i]->grid[2];
        int32_t *y = run_alloc(run, down, sizeof *y), *x = run_alloc(run, across, sizeof *x);
        if (!y || !x)
            return NULL;
        siglip_buckets(y, down, v->side);
        siglip_buckets(x, across, v->side);
        for (int64_t f = 0; f < pictures[i]->grid[0]; f++) {
            start[frame++] = row;
            for (int64_t k = 0; k < down * across; k++)
                position[row++] = y[k / across] * (int32_t)v->side + x[k % across];
        }
    }
    if (!p || !start || !position)
        return NULL;
    start[frames] = rows;
    *p = (SiglipPlaces){{frames, start}, position};
    return p;
}

typedef struct {
    const Siglip *v;
    const SiglipLayer *l;
    const SiglipPlaces *places;
} Context;

static Mat *block(Run *run, void *context, Mat *x)
{
    const Context *c = context;
    const SiglipLayer *l = c->l;
    Mat *h = layernorm(run, &l->norm1, x);
    Mat *q = linear(run, &l->q, h), *k = linear(run, &l->k, h), *v = linear(run, &l->v, h);
    x = add(run, x,
            linear(run, &l->out, attention(run, &c->v->attention, q, k, v, &c->places->seqs, NULL, 0)));
    return add(run, x,
               linear(run, &l->fc2, gelu_tanh(run, linear(run, &l->fc1, layernorm(run, &l->norm2, x)))));
}

Mat *siglip_layer(Run *run, const Siglip *v, int64_t i, const SiglipPlaces *places, Mat *x)
{
    Context c = {v, v->layer + i, places};
    return places ? run_block(run, block, &c, sizeof c, x) : NULL;
}

Mat *siglip_embeddings(Run *run, const Siglip *v, const SiglipPlaces *places, Mat *patches)
{
    return patches ? add(run, linear(run, &v->patch_embedding, patches),
                         embedding(run, v->position_embedding, places->position, patches->rows))
                   : NULL;
}

Mat *siglip(Run *run, const Siglip *v, const SiglipPlaces *places, Mat *patches)
{
    int64_t frames = places ? places->seqs.count : 0;
    Mat *x = siglip_embeddings(run, v, places, patches);
    probe_mat(run, x, frames, "%s.embeddings", v->name);
    for (int64_t i = 0; i < v->depth; i++) {
        x = siglip_layer(run, v, i, places, x);
        probe_mat(run, x, frames, "%s.encoder.layers.%lld", v->name, (long long)i);
    }
    x = layernorm(run, &v->post_layernorm, x);
    probe_mat(run, x, frames, "%s.post_layernorm", v->name);
    return x;
}
