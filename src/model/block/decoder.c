/* x = table[id], the pictures' rows in place of their tokens', the layers, the last norm.
 * Invariant: a batch has as many picture tokens as picture rows (the family's positions() has seen
 * to it). */
#include "model/block/decoder.h"

#include "model/fields.h"
#include "model/load.h"
#include "tensor/probe.h"

#include <stdio.h>
#include <string.h>

const LayerName decoder_names[] = {
    {LAYER_NORM1, "input_layernorm", false}, {LAYER_Q, "self_attn.q_proj", false},
    {LAYER_K, "self_attn.k_proj", false},    {LAYER_V, "self_attn.v_proj", false},
    {LAYER_OUT, "self_attn.o_proj", false},  {LAYER_NORM2, "post_attention_layernorm", false},
    {LAYER_GATE, "mlp.gate_proj", false},    {LAYER_UP, "mlp.up_proj", false},
    {LAYER_DOWN, "mlp.down_proj", false},    {0},
};

const LayerName decoder_names_biased[] = {
    {LAYER_NORM1, "input_layernorm", false}, {LAYER_Q, "self_attn.q_proj", true},
    {LAYER_K, "self_attn.k_proj", true},     {LAYER_V, "self_attn.v_proj", true},
    {LAYER_OUT, "self_attn.o_proj", false},  {LAYER_NORM2, "post_attention_layernorm", false},
    {LAYER_GATE, "mlp.gate_proj", false},    {LAYER_UP, "mlp.up_proj", false},
    {LAYER_DOWN, "mlp.down_proj", false},    {0},
};

static Status check_formulas(const Json *config, const json_t *o, const char *where, bool scaling, Error *e)
{
    const char *dot = *where ? "." : "";
    const json_t *rope_scaling = json_object_get(o, "rope_scaling");
    bool sliding;
    field_text(config, o, where, "hidden_act", "silu", e);
    json_bool_or(config, o, where, "use_sliding_window", false, &sliding, e);
    if (e->status == OK && sliding)
        error_set(e, BAD_INPUT, "%s: %s%suse_sliding_window is true; only full attention is supported",
                  config->path, where, dot);
    if (e->status == OK && !scaling && rope_scaling && !json_is_null(rope_scaling))
        error_set(e, BAD_INPUT, "%s: %s%srope_scaling: wanted null, found %s", config->path, where, dot,
                  json_kind(rope_scaling));
    return e->status;
}

/* rope_theta; transformers 5 keeps it in rope_parameters, beside the type that is rope_scaling's in older
 * ones. */
static Status load_theta(DecoderShape *z, const Json *config, const json_t *o, const char *where,
                         bool scaling, Error *e)
{
    const json_t *newer = json_object_get(o, "rope_parameters");
    const char *type;
    char inner[80];
    json_real_or(config, o, where, "rope_theta", 1, 1e12, z->rope_theta, &z->rope_theta, e);
    if (!json_is_object(newer))
        return e->status;
    snprintf(inner, sizeof inner, "%s%srope_parameters", where, *where ? "." : "");
    json_real_or(config, newer, inner, "rope_theta", 1, 1e12, z->rope_theta, &z->rope_theta, e);
    json_string_or(config, newer, inner, "rope_type", "default", &type, e);
    if (e->status == OK && !scaling && strcmp(type, "default"))
        error_set(e, BAD_INPUT, "%s: %s.rope_type: wanted \"default\", found \"%s\"", config->path, inner,
                  type);
    return e->status;
}

Status decoder_sizes(DecoderShape *z, const Json *config, const json_t *o, const char *where, bool scaling,
                     Error *e)
{
    const int64_t big = 1 << 24;
    TransformerShape *l = &z->layer;
    json_integer_or(config, o, where, "vocab_size", 1, big, z->vocab, &z->vocab, e);
    json_integer_or(config, o, where, "hidden_size", 1, big, l->width, &l->width, e);
    json_integer_or(config, o, where, "intermediate_size", 1, big, l->hidden, &l->hidden, e);
    json_integer_or(config, o, where, "num_hidden_layers", 1, 10000, l->layers, &l->layers, e);
    json_integer_or(config, o, where, "num_attention_heads", 1, 1 << 16, l->heads, &l->heads, e);
    json_integer_or(config, o, where, "num_key_value_heads", 1, 1 << 16, l->kv_heads ? l->kv_heads : l->heads,
                    &l->kv_heads, e);
    json_integer_or(config, o, where, "head_dim", 2, 1 << 16, l->width / l->heads, &l->head_width, e);
    json_integer_or(config, o, where, "max_position_embeddings", 1, INT32_MAX, z->positions, &z->positions,
                    e);
    json_real_or(config, o, where, "rms_norm_eps", 0, 1, l->eps, &l->eps, e);
    load_theta(z, config, o, where, scaling, e);
    if (check_formulas(config, o, where, scaling, e) != OK)
        return e->status;
    bool has_width = json_is_integer(json_object_get(o, "head_dim"));
    if ((!has_width && l->width % l->heads) || l->head_width % 2 || l->heads % l->kv_heads)
        error_set(
            e, BAD_INPUT,
            "%s: %s%shidden_size %lld, num_attention_heads %lld and num_key_value_heads %lld do not divide",
            config->path, where, *where ? ": " : "", (long long)l->width, (long long)l->heads,
            (long long)l->kv_heads);
    return e->status;
}

Status decoder_load(Decoder *d, Vlm *vlm, const char *name, const DecoderShape *z, bool tied, Error *e)
{
    Checkpoint *c = &vlm->checkpoint;
    const int64_t D = z->layer.width;
    char layers[80];
    if (e->status != OK)
        return e->status;
    *d = (Decoder){.name = name, .shape = *z};
    c->part = PART_TEXT;
    d->table = checkpoint_matrix(c, e, z->vocab, D, "%s.%s.weight", name, z->embedding);
    snprintf(layers, sizeof layers, "%s.%s", name, z->layers);
    transformer_load(&d->layers, vlm, layers, &z->layer, e);
    d->norm = norm_load(c, z->layer.norm, D, z->layer.eps, e, "%s.%s", name, z->norm);
    if (tied) {
        char head[80];
        snprintf(head, sizeof head, "%s.weight", z->head);
        vlm->head.weight = d->table;
        checkpoint_tied(c, head, d->table, e);
    } else {
        vlm->head = load_linear(c, z->vocab, D, false, e, "%s", z->head);
    }
    vlm->layers = z->layer.layers;
    vlm->width = D;
    vlm->vocab = z->vocab;
    vlm->max_positions = z->positions;
    vlm->kv_width = z->layer.kv_heads * z->layer.head_width;
    vlm->text_row = transformer_row_bytes(&z->layer, 1);
    /* the embedding, with pictures put in, the last norm, the scored rows: values and gradients */
    vlm->text_row.around = 8 * vlm->text_row.input;
    return e->status;
}

RotaryRule decoder_rotary(const DecoderShape *z)
{
    return (RotaryRule){
        .head = z->layer.head_width, .turned = z->layer.head_width, .theta = z->rope_theta, .scale = 1};
}

Status decoder_describe(const Decoder *d, const Vlm *vlm, Text *text, Error *e)
{
    const TransformerShape *l = &d->shape.layer;
    text_format(text, e,
                "  text: %lld decoder layers of width %lld; %lld heads of %lld on %lld keys and "
                "values; MLP %lld; rope theta %g\n"
                "        vocabulary %lld, %s %lld positions, head %s\n",
                (long long)l->layers, (long long)l->width, (long long)l->heads, (long long)l->head_width,
                (long long)l->kv_heads, (long long)l->hidden, d->shape.rope_theta, (long long)d->shape.vocab,
                vlm->max_positions > d->shape.positions ? "trained for" : "up to",
                (long long)d->shape.positions,
                vlm->head.weight == d->table ? "tied to the embedding" : "of its own");
    return e->status;
}

/* [1, rows, D]; where pictures are spliced in, [rows of text, D]. */
static void probe_embedding(Run *run, const Decoder *d, const Batch *b, Mat *x, int32_t image)
{
    int64_t *text = run->probe && d->shape.spliced ? run_alloc(run, b->rows, sizeof *text) : NULL;
    int64_t count = 0;
    for (int64_t n = 0; text && n < b->rows; n++)
        if (b->ids[n] != image) {
            text[count] = n;
            count++;
        }
    Mat *shown = text ? gather_rows(run, x, text, count) : x;
    probe_mat(run, shown, text ? 0 : 1, "%s.%s", d->name, d->shape.embedding);
}

/* Puts the pictures' rows in at the picture tokens. */
static Mat *put_pictures(Run *run, Mat *x, const Batch *b, Mat *rows, int32_t image)
{
    int64_t found = 0;
    int64_t *at = rows ? run_alloc(run, rows->rows, sizeof *at) : NULL;
    if (!at)
        return NULL;
    for (int64_t n = 0; n < b->rows && found < rows->rows; n++)
        if (b->ids[n] == image) {
            at[found] = n;
            found++;
        }
    assert(found == rows->rows);
    return scatter_rows(run, x, rows, at);
}

Mat *decoder(Run *run, const Decoder *d, const Batch *b, KvCache *cache, const Rope *rope, Mat *picture_rows,
             int32_t image)
{
    if (!rope)
        return NULL;
    const Rows rows = {rope, b->seqs, cache};
    Mat *x = embedding(run, d->table, b->ids, b->rows);
    probe_embedding(run, d, b, x, image);
    if (b->n_pictures)
        x = put_pictures(run, x, b, picture_rows, image);
    x = norm(run, &d->norm, transformer(run, &d->layers, &rows, 1, x));
    probe_mat(run, x, 1, "%s.%s", d->name, d->shape.norm);
    return x;
}
