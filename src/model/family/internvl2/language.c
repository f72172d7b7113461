/* Rotary positions beyond the trained length L, for a sequence of n > L positions:
 *
 *     dynamic NTK   theta' = theta (f n / L - (f - 1)) ^ (E / (E - 2))      (InternLM2, factor f)
 *     long rope     frequency j / long_factor[j] in place of short_factor[j]; cos and sin are always
 *                   times sqrt(1 + ln(P / L) / ln L), P the longest length  (Phi-3)
 *
 * (InternLM2DynamicNTKScalingRotaryEmbedding, Phi3SuScaledRotaryEmbedding; InternLM2ForCausalLM,
 * Phi3ForCausalLM) */
#include "model/family/internvl2/language.h"

#include "base/elementary.h"
#include "model/fields.h"

#include <math.h>
#include <string.h>

static const char where[] = "llm_config";

static const LayerName internlm2_names[] = {
    {LAYER_NORM1, "attention_norm", false}, {LAYER_QKV_BY_HEAD, "attention.wqkv", false},
    {LAYER_OUT, "attention.wo", false},     {LAYER_NORM2, "ffn_norm", false},
    {LAYER_GATE, "feed_forward.w1", false}, {LAYER_UP, "feed_forward.w3", false},
    {LAYER_DOWN, "feed_forward.w2", false}, {0},
};

static const LayerName phi3_names[] = {
    {LAYER_NORM1, "input_layernorm", false},
    {LAYER_QKV, "self_attn.qkv_proj", false},
    {LAYER_OUT, "self_attn.o_proj", false},
    {LAYER_NORM2, "post_attention_layernorm", false},
    {LAYER_GATE_UP, "mlp.gate_up_proj", false},
    {LAYER_DOWN, "mlp.down_proj", false},
    {0},
};

/* InternLM2Config's defaults; beyond its trained length a sequence may grow without a limit. */
static const DecoderShape internlm2 = {
    .embedding = "tok_embeddings",
    .layers = "layers",
    .norm = "norm",
    .head = "language_model.output",
    .vocab = 103168,
    .positions = 2048,
    .rope_theta = 10000,
    .layer = {.layers = 32,
              .width = 4096,
              .hidden = 11008,
              .heads = 32,
              .causal = true,
              .norm = NORM_RMS,
              .eps = 1e-6,
              .gated = swiglu,
              .names = internlm2_names},
};

/* Phi3Config's defaults. */
static const DecoderShape phi3 = {
    .embedding = "embed_tokens",
    .layers = "layers",
    .norm = "norm",
    .head = "language_model.lm_head",
    .vocab = 32064,
    .positions = 4096,
    .rope_theta = 10000,
    .layer = {.layers = 32,
              .width = 3072,
              .hidden = 8192,
              .heads = 32,
              .causal = true,
              .norm = NORM_RMS,
              .eps = 1e-5,
              .gated = swiglu,
              .names = phi3_names},
};

/* rope_scaling, an object with the "type" `known` or, where it has one, its newer name; *scaling NULL: there
 * is none. */
static Status read_scaling(const Json *config, const json_t *llm, const char *known, const char *newer,
                           const json_t **scaling, Error *e)
{
    const json_t *o = json_object_get(llm, "rope_scaling");
    const char *type = json_string_value(json_object_get(o, "type"));
    *scaling = json_is_object(o) ? o : NULL;
    if (e->status != OK || !o || json_is_null(o))
        return e->status;
    if (!type || (strcmp(type, known) && !(newer && !strcmp(type, newer))))
        error_set(e, BAD_INPUT, "%s: %s.rope_scaling.type: wanted \"%s\", found %s%s%s", config->path, where,
                  known, type ? "\"" : "", type ? type : json_kind(json_object_get(o, "type")),
                  type ? "\"" : "");
    return e->status;
}

static Status load_internlm2(InternVL2Language *m, Vlm *vlm, const Json *config, const json_t *llm, Error *e)
{
    const json_t *scaling;
    bool bias;
    (void)vlm;
    json_bool_or(config, llm, where, "bias", true, &bias, e);
    if (e->status == OK && bias)
        error_set(e, BAD_INPUT, "%s: %s.bias is true; only InternLM2 without biases is supported",
                  config->path, where);
    if (read_scaling(config, llm, "dynamic", NULL, &scaling, e) == OK && scaling)
        json_real_or(config, scaling, "llm_config.rope_scaling", "factor", 1, 1e6, 1, &m->ntk_factor, e);
    return e->status;
}

/* A list of half a head's width of factors. Arena memory of the model; NULL after a failure. */
static const double *read_factors(Vlm *vlm, const Json *config, const json_t *scaling, const char *key,
                                  int64_t count, Error *e)
{
    const json_t *list = json_object_get(scaling, key);
    double *factor = arena_alloc(&vlm->arena, count, sizeof *factor, e);
    if (e->status == OK && (int64_t)json_array_size(list) != count)
        error_set(e, BAD_INPUT, "%s: %s.rope_scaling.%s: wanted a list of %lld numbers, found %s of %zu",
                  config->path, where, key, (long long)count, json_kind(list), json_array_size(list));
    for (int64_t j = 0; j < count && e->status == OK; j++) {
        const json_t *v = json_array_get(list, (size_t)j);
        factor[j] = json_number_value(v);
        if (!json_is_number(v) || !(factor[j] > 0 && factor[j] < 1e6))
            error_set(e, BAD_INPUT, "%s: %s.rope_scaling.%s[%lld]: wanted a number above 0", config->path,
                      where, key, (long long)j);
    }
    return e->status == OK ? factor : NULL;
}

static Status load_phi3(InternVL2Language *m, Vlm *vlm, const Json *config, const json_t *llm, Error *e)
{
    const DecoderShape *z = &m->decoder.shape;
    const json_t *scaling;
    json_integer_or(config, llm, where, "original_max_position_embeddings", 1, INT32_MAX, 4096, &m->trained,
                    e);
    if (read_scaling(config, llm, "su", "longrope", &scaling, e) != OK || !scaling)
        return e->status;
    const int64_t half = m->rotary.turned / 2;
    const double times = (double)z->positions / (double)m->trained;
    m->rotary.factor = read_factors(vlm, config, scaling, "short_factor", half, e);
    m->long_factor = read_factors(vlm, config, scaling, "long_factor", half, e);
    if (times > 1)
        m->rotary.scale = sqrt(1 + exact_log(times) / exact_log((double)m->trained));
    return e->status;
}

/* One row per language model that InternVL2 was published with. */
static const struct {
    const char *architecture;
    const DecoderShape *shape;
    bool unlimited; /* in length */
    Status (*load)(InternVL2Language *m, Vlm *vlm, const Json *config, const json_t *llm, Error *e);
} languages[] = {{"InternLM2ForCausalLM", &internlm2, true, load_internlm2},
                 {"Phi3ForCausalLM", &phi3, false, load_phi3}};
enum { LANGUAGES = sizeof languages / sizeof *languages };

/* The row of llm_config.architectures[0]; LANGUAGES, with e set, where there is none. */
static int find_language(const Json *config, const json_t *llm, Error *e)
{
    const json_t *list = json_object_get(llm, "architectures");
    const char *name = json_string_value(json_array_get(list, 0));
    int i = 0;
    while (i < LANGUAGES && (!name || strcmp(name, languages[i].architecture)))
        i++;
    if (i == LANGUAGES && e->status == OK)
        error_set(e, BAD_INPUT, "%s: %s.architectures: \"%s\" is not supported (supported: %s, %s)",
                  config->path, where, name ? name : "", languages[0].architecture,
                  languages[1].architecture);
    return i;
}

Status internvl2_language_load(InternVL2Language *m, Vlm *vlm, const Json *config, Error *e)
{
    const json_t *llm;
    field_section(config, where, &llm, e);
    const int i = find_language(config, llm, e);
    if (e->status != OK)
        return e->status;
    DecoderShape z = *languages[i].shape;
    decoder_sizes(&z, config, llm, where, true, e);
    decoder_load(&m->decoder, vlm, "language_model.model", &z, false, e);
    if (e->status != OK)
        return e->status;
    m->rotary = decoder_rotary(&z);
    m->trained = z.positions;
    if (languages[i].unlimited)
        vlm->max_positions = INT32_MAX;
    return languages[i].load(m, vlm, config, llm, e);
}

RotaryRule internvl2_rotary(const InternVL2Language *m, int64_t length)
{
    RotaryRule r = m->rotary;
    if (length <= m->trained)
        return r;
    if (m->ntk_factor > 0) {
        const double f = m->ntk_factor;
        const double E = (double)r.head;
        const double grown = f * (double)length / (double)m->trained - (f - 1);
        r.theta *= exact_pow(grown, E / (E - 2));
    }
    if (m->long_factor)
        r.factor = m->long_factor;
    return r;
}

Mat *internvl2_language(Run *run, const InternVL2Language *m, const Batch *b, KvCache *cache,
                        Mat *picture_rows, int32_t image)
{
    RotaryRule *rule = run_alloc(run, b->seqs.count, sizeof *rule);
    if (!rule)
        return NULL;
    for (int64_t s = 0; s < b->seqs.count; s++)
        rule[s] = internvl2_rotary(m, b->position[b->seqs.start[s + 1] - 1] + 1);
    const Rope *r = rope_table_by_sequence(run, rule, b->position, &b->seqs);
    return decoder(run, &m->decoder, b, cache, r, picture_rows, image);
}
