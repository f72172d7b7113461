/* TinyLLaVA-2.0B (TinyLlavaStablelmForCausalLM of TinyLLaVABench) and what TinyLLaVA Factory saves with the
 * same decoder (TinyLlavaForConditionalGeneration): SigLIP without its last layer and last norm, a
 * projector of two Linears, StableLM-2. The Factory has other names, keeps the whole tower on disk, and
 * drops each picture's first row. Everything that is peculiar to the family is in this folder.
 *
 *     projector(x) = fc2(gelu(fc1(x)))
 *
 * A picture's rows are spliced in at one position of the text, and the text before and behind it is
 * tokenised apart. Here they take as many positions as rows, with an id that no text can have. */
#include "model/family/tinyllava/tinyllava.h"

#include "model/chat.h"
#include "model/fields.h"
#include "model/load.h"
#include "tensor/probe.h"

#include <string.h>

static const char end_token[] = "<|endoftext|>";

enum { SPLICE = -200 }; /* what the public code has in input_ids for a picture */

/* Sizes: StableLmConfig's defaults. */
static const DecoderShape decoder_shape = {
    .embedding = "embed_tokens",
    .layers = "layers",
    .norm = "norm",
    .head = "lm_head",
    .vocab = 50304,
    .positions = 4096,
    .rope_theta = 10000,
    .spliced = true,
    .layer = {.layers = 32,
              .width = 2560,
              .hidden = 6912,
              .heads = 32,
              .causal = true,
              .norm = NORM_LAYER,
              .eps = 1e-5,
              .gated = swiglu,
              .names = decoder_names_biased},
};

/* SigLIP so400m, which the public code takes without asking config.json. */
static const SiglipSizes siglip_sizes = {
    .width = 1152, .hidden = 4304, .layers = 27, .heads = 16, .image = 384, .patch = 14, .truncated = true};

/* One for each model_type of the family's row, in its order. */
static const TinyLlavaLayout layouts[] = {
    {.section = "",
     .decoder = "model",
     .head = "lm_head",
     .tower = "model.vision_tower.vision_tower.vision_model",
     .projector = "model.mm_projector",
     .aspect = "pad"},
    {.section = "text_config",
     .decoder = "language_model.model",
     .head = "language_model.lm_head",
     .tower = "vision_tower._vision_tower.vision_model",
     .projector = "connector._connector",
     .aspect = "square",
     .factory = true},
};

static void refuse(const Json *config, const json_t *o, const char *key, Error *e)
{
    bool on;
    json_bool_or(config, o, "", key, false, &on, e);
    if (e->status == OK && on)
        error_set(e, BAD_INPUT, "%s: %s is true; only StableLM-2 without it is supported", config->path, key);
}

/* The Factory joins decoders, towers and connectors of many kinds. */
static void check_parts(TinyLlava *m, const Json *config, Error *e)
{
    const json_t *root = config->root;
    const char *rows;
    int64_t layer;
    field_text(config, json_object_get(root, "text_config"), "text_config", "model_type", "stablelm", e);
    field_text(config, json_object_get(root, "vision_config"), "vision_config", "model_type",
               "siglip_vision_model", e);
    field_text(config, root, "", "connector_type", "mlp2x_gelu", e);
    json_integer_or(config, root, "", "vision_feature_layer", -2, -2, -2, &layer, e);
    json_string_or(config, root, "", "vision_feature_select_strategy", "patch", &rows, e);
    m->pictures.drops_first = e->status == OK && !strcmp(rows, "patch");
    if (e->status == OK && !m->pictures.drops_first && strcmp(rows, "cls_patch"))
        error_set(e, BAD_INPUT,
                  "%s: vision_feature_select_strategy: wanted \"patch\" or \"cls_patch\", found \"%s\"",
                  config->path, rows);
}

static void load_text(Vlm *vlm, TinyLlava *m, const Json *config, Error *e)
{
    const char *where = m->layout->section;
    const json_t *o = config->root;
    DecoderShape z = decoder_shape;
    double part;
    bool bias;
    bool tied;
    if (*where)
        field_section(config, where, &o, e);
    json_real_or(config, o, where, "layer_norm_eps", 0, 1, z.layer.eps, &z.layer.eps, e);
    json_real_or(config, o, where, "norm_eps", 0, 1, z.layer.eps, &z.layer.eps, e);
    json_real_or(config, o, where, "partial_rotary_factor", 0.01, 1, 0.25, &part, e);
    json_real_or(config, o, where, "rope_pct", 0.01, 1, part, &part, e);
    json_bool_or(config, o, where, "use_qkv_bias", true, &bias, e);
    json_bool_or(config, o, where, "tie_word_embeddings", false, &tied, e);
    refuse(config, o, "use_parallel_residual", e);
    refuse(config, o, "qk_layernorm", e);
    z.head = m->layout->head;
    z.layer.names = bias ? decoder_names_biased : decoder_names;
    decoder_sizes(&z, config, o, where, false, e);
    decoder_load(&m->decoder, vlm, m->layout->decoder, &z, tied, e);
    m->rotary = decoder_rotary(&z);
    m->rotary.turned = (int64_t)((double)z.layer.head_width * part);
    if (e->status == OK && (m->rotary.turned < 2 || m->rotary.turned % 2))
        error_set(e, BAD_INPUT,
                  "%s: rope_pct (partial_rotary_factor) %g of a head's %lld channels is no even number",
                  config->path, part, (long long)z.layer.head_width);
}

/* The id that stands for pictures: the one before the first special token, which no token has. */
static void find_image(Vlm *vlm, Error *e)
{
    vlm->image = (int32_t)vlm->vocab - 1;
    if (e->status != OK || !vlm->tokenizer)
        return;
    vlm->image = tokenizer_id(vlm->tokenizer, end_token) - 1;
    if (vlm->image < 0)
        error_set(e, BAD_INPUT, "%s: lacks the token %s", tokenizer_file(vlm->tokenizer), end_token);
}

static Status load(Vlm *vlm, const Json *config, Error *e)
{
    TinyLlava *m = arena_zero(&vlm->arena, 1, sizeof *m, e);
    SiglipSizes tower = siglip_sizes;
    vlm->model = m;
    if (!m)
        return e->status;
    m->layout = layouts + (vlm->type - vlm->family->type);
    tower.rest_on_disk = m->layout->factory;
    if (m->layout->factory)
        check_parts(m, config, e);
    load_text(vlm, m, config, e);
    siglip_load(&m->vision, vlm, config, m->layout->tower, &tower, 1, e);
    if (e->status != OK)
        return e->status;
    vlm->checkpoint.part = PART_MERGER;
    m->fc1 = load_linear(&vlm->checkpoint, vlm->width, m->vision.vision.shape.layer.width, true, e, "%s.0",
                         m->layout->projector);
    m->fc2 = load_linear(&vlm->checkpoint, vlm->width, vlm->width, true, e, "%s.2", m->layout->projector);
    m->pictures.size = m->vision.image;
    m->pictures.patch = m->vision.patch;
    tinyllava_pictures_load(&m->pictures, config, m->layout->aspect, e);
    find_image(vlm, e);
    return e->status;
}

static Status picture(const Vlm *vlm, Picture *out, const Image *rgb, const PictureOptions *options, Error *e)
{
    const TinyLlava *m = vlm->model;
    (void)options; /* all pictures have one size */
    *out = (Picture){0};
    return e->status == OK ? tinyllava_picture(&m->pictures, out, rgb, e) : e->status;
}

static PatchPlace place(const Vlm *vlm, const Picture *p, int64_t patch)
{
    const TinyLlava *m = vlm->model;
    return tinyllava_place(&m->pictures, p, patch);
}

static int64_t tile(const Vlm *vlm, bool *fixed)
{
    const TinyLlava *m = vlm->model;
    *fixed = true;
    return m->pictures.size * m->pictures.size;
}

/* The text before the pictures, the pictures, the text behind them: each stretch of text encoded by
 * itself, the answer with the text before it. The answer's labels begin with its space. */
static Status chat(const Vlm *vlm, Ids *ids, int64_t *answer_at, const Picture *pictures, const Question *q,
                   const ChatOptions *options, Error *e)
{
    static const char before[] =
        "A chat between a curious user and an artificial intelligence assistant. The "
        "assistant gives helpful, detailed, and polite answers to the user's questions. "
        "USER: ";
    Text behind = {0};
    Ids prompt = {0};
    (void)options; /* another trainer's */
    if (q->n_images)
        chat_add(vlm, ids, before, e);
    for (int64_t i = 0; pictures && i < q->n_images; i++)
        ids_repeat(ids, vlm->image, pictures[i].tokens, e);
    text_format(&behind, e, "%s%s ASSISTANT:", q->n_images ? "\n" : before, q->text);
    if (q->answer) {
        chat_add(vlm, &prompt, text_string(&behind), e);
        *answer_at = ids->count + prompt.count;
        text_format(&behind, e, " %s%s", q->answer, end_token);
    }
    chat_add(vlm, ids, text_string(&behind), e);
    if (!q->answer)
        *answer_at = ids->count;
    ids_free(&prompt);
    text_free(&behind);
    return e->status;
}

static Mat *picture_rows(Run *run, const Vlm *vlm, const Picture *const *pictures, int64_t count)
{
    const TinyLlava *m = vlm->model;
    const VisionRows *rows = siglip_rows(run, &m->vision, pictures, count);
    Mat *x = vision(run, &m->vision.vision, rows, picture_patches(run, pictures, count));
    if (m->pictures.drops_first && rows)
        x = vision_drop_first(run, &rows->rows.seqs, x);
    x = linear(run, &m->fc2, gelu(run, linear(run, &m->fc1, x)));
    probe_mat(run, x, count, "%s", m->layout->projector);
    return x;
}

static Mat *text(Run *run, const Vlm *vlm, const Batch *b, KvCache *cache, Mat *rows)
{
    const TinyLlava *m = vlm->model;
    const Rope *r = rope_table(run, &m->rotary, b->position, b->rows);
    return decoder(run, &m->decoder, b, cache, r, rows, vlm->image);
}

static Status describe(const Vlm *vlm, Text *text, Error *e)
{
    const TinyLlava *m = vlm->model;
    const TransformerShape *l = &m->vision.vision.shape.layer;
    const TinyLlavaPictures *p = &m->pictures;
    const int64_t rows = p->size / p->patch * (p->size / p->patch);
    text_format(
        text, e,
        "  vision: %lld layers of width %lld, %lld heads, MLP %lld; patches of %lldx%lld, each a token\n"
        "          pictures %s to %lldx%lld, %lld tokens each\n",
        (long long)l->layers, (long long)l->width, (long long)l->heads, (long long)l->hidden,
        (long long)p->patch, (long long)p->patch, p->pad ? "padded" : "stretched", (long long)p->size,
        (long long)p->size, (long long)(rows - p->drops_first));
    return decoder_describe(&m->decoder, vlm, text, e);
}

/* input_ids with SPLICE once per picture; pixel_values [pictures, 3, S, S]. */
static void probe_inputs(Run *run, const Vlm *vlm, const Sample *s)
{
    const TinyLlava *m = vlm->model;
    const int64_t S = m->pictures.size;
    int32_t *ids = run_alloc(run, s->count, sizeof *ids);
    float *pixels = run_alloc(run, s->n_pictures * 3 * S * S, sizeof *pixels);
    int64_t count = 0;
    int64_t picture = 0;
    if (!ids || !pixels)
        return;
    for (int64_t i = 0; i < s->count;) {
        const bool is_picture = s->ids[i] == vlm->image;
        ids[count] = is_picture ? SPLICE : s->ids[i];
        count++;
        i += is_picture ? s->pictures[picture].tokens : 1;
        picture += is_picture;
    }
    probe_array(run, ids, I32, 2, (int64_t[]){1, count}, "input_ids");
    for (int64_t i = 0; i < s->n_pictures; i++)
        for (int64_t k = 0; k < 3 * S * S; k++) {
            const int64_t c = k / (S * S);
            const unsigned char value = s->pictures[i].frame.data[k % (S * S) * 3 + c];
            pixels[i * 3 * S * S + k] = normalise(&tinyllava_normalise, value, (int)c);
        }
    if (s->n_pictures)
        probe_array(run, pixels, F32, 4, (int64_t[]){s->n_pictures, 3, S, S}, "pixel_values");
}

const Family family_tinyllava = {
    .type = {{"tiny_llava_stablelm", {0}}, {"tinyllava", {0}}},
    .renames = (const Rename[]){{0}},
    .ignorable = (const char *const[]){"rotary_emb.inv_freq", NULL},
    .penalty_skips_prompt = true,
    .load = load,
    .picture = picture,
    .place = place,
    .tile = tile,
    .chat = chat,
    .positions = positions_in_order,
    .vision = picture_rows,
    .text = text,
    .describe = describe,
    .probe_inputs = probe_inputs,
};
