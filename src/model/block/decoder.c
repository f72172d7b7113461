/* x += o(attention(rope(q n), rope(k n), v n)), n = rms(x);  x += down(silu(gate m) * up m), m =
 * rms(x) */
#include "model/block/decoder.h"

#include "model/load.h"
#include "tensor/probe.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static Status check_formulas(const Json *config, const json_t *o, const char *where, bool own_scaling,
                             Error *e)
{
    const char *act, *dot = *where ? "." : "";
    bool sliding;
    json_string_or(config, o, where, "hidden_act", "silu", &act, e);
    json_bool_or(config, o, where, "use_sliding_window", false, &sliding, e);
    if (e->status == OK && strcmp(act, "silu"))
        error_set(e, BAD_INPUT, "%s: %s%shidden_act: wanted \"silu\", found \"%s\"", config->path, where, dot,
                  act);
    if (e->status == OK && sliding)
        error_set(e, BAD_INPUT, "%s: %s%suse_sliding_window is true; only full attention is supported",
                  config->path, where, dot);
    const json_t *scaling = json_object_get(o, "rope_scaling");
    if (e->status == OK && !own_scaling && scaling && !json_is_null(scaling))
        error_set(e, BAD_INPUT, "%s: %s%srope_scaling: wanted null, found %s", config->path, where, dot,
                  json_kind(scaling));
    return e->status;
}

Status decoder_sizes(DecoderSizes *z, const Json *config, const json_t *o, const char *where,
                     bool own_scaling, Error *e)
{
    const int64_t big = 1 << 24;
    json_integer_or(config, o, where, "vocab_size", 1, big, z->vocab, &z->vocab, e);
    json_integer_or(config, o, where, "hidden_size", 1, big, z->width, &z->width, e);
    json_integer_or(config, o, where, "intermediate_size", 1, big, z->hidden, &z->hidden, e);
    json_integer_or(config, o, where, "num_hidden_layers", 1, 10000, z->layers, &z->layers, e);
    json_integer_or(config, o, where, "num_attention_heads", 1, 1 << 16, z->heads, &z->heads, e);
    json_integer_or(config, o, where, "num_key_value_heads", 1, 1 << 16, z->kv_heads ? z->kv_heads : z->heads,
                    &z->kv_heads, e);
    json_integer_or(config, o, where, "head_dim", 2, 1 << 16, z->heads ? z->width / z->heads : 0,
                    &z->head_width, e);
    json_integer_or(config, o, where, "max_position_embeddings", 1, INT32_MAX, z->positions, &z->positions,
                    e);
    json_real_or(config, o, where, "rms_norm_eps", 0, 1, z->eps, &z->eps, e);
    json_real_or(config, o, where, "rope_theta", 1, 1e12, z->rope_theta, &z->rope_theta, e);
    if (e->status != OK || check_formulas(config, o, where, own_scaling, e) != OK)
        return e->status;
    bool has_width = json_is_integer(json_object_get(o, "head_dim"));
    if ((!has_width && z->width % z->heads) || z->head_width % 2 || z->heads % z->kv_heads)
        error_set(
            e, BAD_INPUT,
            "%s: %s%shidden_size %lld, num_attention_heads %lld and num_key_value_heads %lld do not divide",
            config->path, where, *where ? ": " : "", (long long)z->width, (long long)z->heads,
            (long long)z->kv_heads);
    return e->status;
}

static void load_layer(Decoder *d, Checkpoint *c, int64_t i, Error *e)
{
    const DecoderSizes *z = &d->sizes;
    DecoderLayer *l = d->layer + i;
    int64_t D = z->width, F = z->hidden, E = z->head_width;
    char p[80];
    snprintf(p, sizeof p, "%s.layers.%lld", d->name, (long long)i);
    l->input_norm = (RmsNorm){checkpoint_vector(c, e, D, "%s.input_layernorm.weight", p), (float)z->eps};
    l->q = load_linear(c, z->heads * E, D, z->qkv_bias, e, "%s.self_attn.q_proj", p);
    l->k = load_linear(c, z->kv_heads * E, D, z->qkv_bias, e, "%s.self_attn.k_proj", p);
    l->v = load_linear(c, z->kv_heads * E, D, z->qkv_bias, e, "%s.self_attn.v_proj", p);
    l->o = load_linear(c, D, z->heads * E, false, e, "%s.self_attn.o_proj", p);
    l->post_norm =
        (RmsNorm){checkpoint_vector(c, e, D, "%s.post_attention_layernorm.weight", p), (float)z->eps};
    l->gate = load_linear(c, F, D, false, e, "%s.mlp.gate_proj", p);
    l->up = load_linear(c, F, D, false, e, "%s.mlp.up_proj", p);
    l->down = load_linear(c, D, F, false, e, "%s.mlp.down_proj", p);
    l->attention = (Attention){z->heads, z->kv_heads, E, (float)(1 / sqrt((double)E)), true};
}

Status decoder_load(Decoder *d, Vlm *vlm, const char *name, const DecoderSizes *z, bool tied, Error *e)
{
    Checkpoint *c = &vlm->checkpoint;
    *d = (Decoder){.name = name, .sizes = *z};
    c->part = PART_TEXT;
    d->embed_tokens = checkpoint_matrix(c, e, z->vocab, z->width, "%s.embed_tokens.weight", name);
    d->layer = arena_zero(&vlm->arena, z->layers, sizeof *d->layer, e);
    for (int64_t i = 0; d->layer && e->status == OK && i < z->layers; i++)
        load_layer(d, c, i, e);
    d->norm = (RmsNorm){checkpoint_vector(c, e, z->width, "%s.norm.weight", name), (float)z->eps};
    vlm->head.weight = tied ? d->embed_tokens : checkpoint_matrix(c, e, z->vocab, z->width, "lm_head.weight");
    if (tied && e->status == OK)
        checkpoint_tied(c, "lm_head.weight", d->embed_tokens, e);
    vlm->layers = z->layers;
    vlm->width = z->width;
    vlm->vocab = z->vocab;
    vlm->max_positions = z->positions;
    vlm->kv_width = z->kv_heads * z->head_width;
    vlm->row_bytes = (4 * z->width + 4 * z->heads * z->head_width + 3 * z->hidden) * (int64_t)sizeof(float);
    return e->status;
}

Status decoder_describe(const Decoder *d, const Vlm *vlm, Text *text, Error *e)
{
    const DecoderSizes *z = &d->sizes;
    return text_format(text, e,
                       "  text: %lld decoder layers of width %lld; %lld heads of %lld on %lld keys and "
                       "values; MLP %lld; rope theta %g\n"
                       "        vocabulary %lld, up to %lld positions, head %s\n",
                       (long long)z->layers, (long long)z->width, (long long)z->heads,
                       (long long)z->head_width, (long long)z->kv_heads, (long long)z->hidden, z->rope_theta,
                       (long long)z->vocab, (long long)z->positions,
                       vlm->head.weight == d->embed_tokens ? "tied to the embedding" : "of its own")
               ? OK
               : NO_MEMORY;
}

/* What a layer needs besides x; copied by run_block so that it can run again on the way back. */
typedef struct {
    const DecoderLayer *l;
    const Rope *rope;
    const Seqs *seqs;
    KvCache *cache;
    int64_t index;
} Context;

static Mat *block(Run *run, void *context, Mat *x)
{
    const Context *c = context;
    const DecoderLayer *l = c->l;
    Mat *h = rmsnorm(run, &l->input_norm, x);
    Mat *q = rope(run, c->rope, linear(run, &l->q, h));
    Mat *k = rope(run, c->rope, linear(run, &l->k, h));
    Mat *v = linear(run, &l->v, h);
    x = add(run, x, linear(run, &l->o, attention(run, &l->attention, q, k, v, c->seqs, c->cache, c->index)));
    h = rmsnorm(run, &l->post_norm, x);
    return add(run, x, linear(run, &l->down, swiglu(run, linear(run, &l->gate, h), linear(run, &l->up, h))));
}

Mat *decoder_layer(Run *run, const Decoder *d, int64_t i, Mat *x, const Rope *r, const Seqs *seqs,
                   KvCache *cache)
{
    Context c = {d->layer + i, r, seqs, cache, i};
    return run_block(run, block, &c, sizeof c, x);
}

/* Puts the pictures' rows in at the picture tokens. */
static Mat *put_pictures(Run *run, Mat *x, const Batch *b, Mat *rows, int32_t image)
{
    int64_t *at = rows ? run_alloc(run, rows->rows, sizeof *at) : NULL, found = 0;
    for (int64_t n = 0; at && n < b->rows; n++)
        if (b->ids[n] == image) {
            if (found == rows->rows)
                break;
            at[found++] = n;
        }
    assert(!at || found == rows->rows);
    return scatter_rows(run, x, rows, at);
}

Mat *decoder(Run *run, const Decoder *d, const Batch *b, KvCache *cache, const Rope *r, Mat *picture_rows,
             int32_t image)
{
    Mat *x = embedding(run, d->embed_tokens, b->ids, b->rows);
    probe_mat(run, x, 1, "%s.embed_tokens", d->name);
    if (b->n_pictures)
        x = put_pictures(run, x, b, picture_rows, image);
    for (int64_t i = 0; i < d->sizes.layers; i++) {
        x = decoder_layer(run, d, i, x, r, &b->seqs, cache);
        probe_mat(run, x, 1, "%s.layers.%lld", d->name, (long long)i);
    }
    x = rmsnorm(run, &d->norm, x);
    probe_mat(run, x, 1, "%s.norm", d->name);
    return x;
}
