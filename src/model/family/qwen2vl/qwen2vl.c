/* Qwen2-VL (Qwen2VLForConditionalGeneration): vision tower and merger, their rows put into the
 * text, decoder with M-RoPE. Everything that is peculiar to the family is in this folder. */
#include "model/family/qwen2vl/qwen2vl.h"

#include "base/number.h"
#include "model/chat.h"
#include "model/fields.h"
#include "tensor/probe.h"

#include <string.h>

/* Sizes: Qwen2VLConfig's defaults. */
static const DecoderShape decoder_shape = {
    .embedding = "embed_tokens",
    .layers = "layers",
    .norm = "norm",
    .head = "lm_head",
    .vocab = 152064,
    .positions = 32768,
    .rope_theta = 1e6,
    .layer = {.layers = 80,
              .width = 8192,
              .hidden = 29568,
              .heads = 64,
              .kv_heads = 8,
              .causal = true,
              .norm = NORM_RMS,
              .eps = 1e-5,
              .gated = swiglu,
              .names = decoder_names_biased},
};

/* M-RoPE's sections of a head's frequencies, in rope_parameters (transformers 5) or rope_scaling. */
static void load_sections(Qwen2VL *m, const Json *config, const json_t *text, int64_t half, Error *e)
{
    json_t *scaling;
    json_t *section;
    const char *type;
    const char *where = json_object_get(text, "rope_parameters") ? "rope_parameters" : "rope_scaling";
    json_object_in(config, text, "", where, &scaling, e);
    /* "type" is the older name of "rope_type"; "mrope" and "default" mean the same here. */
    const char *key = json_object_get(scaling, "rope_type") ? "rope_type" : "type";
    json_string_or(config, scaling, where, key, "default", &type, e);
    if (e->status == OK && strcmp(type, "default") && strcmp(type, "mrope"))
        error_set(e, BAD_INPUT, "%s: %s.%s: wanted \"mrope\" or \"default\", found \"%s\"", config->path,
                  where, key, type);
    if (json_array_in(config, scaling, where, "mrope_section", &section, e) != OK)
        return;
    int64_t sum = 0;
    for (size_t i = 0; i < QWEN2VL_SECTIONS; i++) {
        m->section[i] = json_integer_value(json_array_get(section, i));
        sum = size_sum(sum, m->section[i] > 0 ? m->section[i] : INT64_MAX);
    }
    if (json_array_size(section) != QWEN2VL_SECTIONS || sum != half)
        error_set(e, BAD_INPUT,
                  "%s: %s.mrope_section: wanted 3 positive integers with sum %lld (half a head's width)",
                  config->path, where, (long long)half);
}

static Status load(Vlm *vlm, const Json *config, Error *e)
{
    DecoderShape z = decoder_shape;
    bool tied;
    const json_t *text;
    Qwen2VL *m = arena_zero(&vlm->arena, 1, sizeof *m, e);
    vlm->model = m;
    /* transformers 5 keeps the text model's fields in an object of their own */
    field_section(config, "text_config", &text, e);
    const bool newer = json_object_get(text, "hidden_size") != NULL;
    text = newer ? text : config->root;
    if (!m || decoder_sizes(&z, config, text, newer ? "text_config" : "", true, e) != OK)
        return e->status;
    load_sections(m, config, text, z.layer.head_width / 2, e);
    m->rotary = decoder_rotary(&z);
    m->rotary.section = m->section;
    m->rotary.sections = QWEN2VL_SECTIONS;
    json_bool_or(config, config->root, "", "tie_word_embeddings", false, &tied, e);
    field_token(config, "image_token_id", z.vocab, -1, &vlm->image, e);
    field_token(config, "vision_start_token_id", z.vocab, -1, &m->vision_start, e);
    field_token(config, "vision_end_token_id", z.vocab, -1, &m->vision_end, e);
    decoder_load(&m->decoder, vlm, "model", &z, tied, e);
    qwen2vl_vision_load(&m->vision, vlm, config, z.layer.width, e);
    qwen2vl_pictures_load(&m->pictures, vlm->folder, e);
    const Qwen2VLVision *v = &m->vision;
    const Qwen2VLPictures *p = &m->pictures;
    if (e->status == OK && (3 * p->temporal * p->patch * p->patch != 3 * v->temporal * v->patch * v->patch ||
                            p->merge != v->merge))
        error_set(e, BAD_INPUT, "%s: its patch or merge sizes are not those of preprocessor_config.json",
                  config->path);
    return e->status;
}

static Status picture(const Vlm *vlm, Picture *out, const Image *rgb, const PictureOptions *options, Error *e)
{
    const Qwen2VL *m = vlm->model;
    return qwen2vl_picture(&m->pictures, out, rgb, options, e);
}

static PatchPlace place(const Vlm *vlm, const Picture *p, int64_t patch)
{
    const Qwen2VL *m = vlm->model;
    return qwen2vl_place(&m->pictures, p, patch);
}

static int64_t tile(const Vlm *vlm, bool *fixed)
{
    const Qwen2VL *m = vlm->model;
    const int64_t unit = m->pictures.patch * m->pictures.merge;
    *fixed = false;
    return unit * unit;
}

/* <|im_start|>system, the default system text (before the first turn), <|im_start|>user, pictures, text:
 * each picture is vision_start, its tokens, vision_end. Only special tokens cut a text: the line end before the
 * question and the one after it may merge with the question's first and last characters. */
static void add_prompt(const Vlm *vlm, Ids *ids, const Picture *pictures, const Question *q,
                       const char *newline, Error *e)
{
    const Qwen2VL *m = vlm->model;
    Text text = {0};
    if (!ids->count)
        text_format(&text, e, "<|im_start|>system\nYou are a helpful assistant.%s<|im_end|>\n", newline);
    text_add(&text, "<|im_start|>user\n", e);
    for (int64_t i = 0; i < q->n_images; i++) {
        text_add(&text, q->before ? q->before[i] : "", e);
        chat_add_user(vlm, ids, text_string(&text), e);
        text_free(&text);
        ids_add(ids, m->vision_start, e);
        ids_repeat(ids, vlm->image, pictures[i].tokens, e);
        ids_add(ids, m->vision_end, e);
    }
    text_format(&text, e, "%s%s", q->text, newline);
    chat_add_user(vlm, ids, text_string(&text), e);
    chat_add(vlm, ids, "<|im_end|>\n<|im_start|>assistant\n", e);
    text_free(&text);
}

/* The trainer tokenises the answer apart from the prompt; its end and the last line end count. */
static void add_answer(const Vlm *vlm, Ids *ids, const char *answer, const char *newline, Error *e)
{
    Text t = {0};
    text_format(&t, e, "%s%s<|im_end|>\n", answer, newline);
    chat_add_user(vlm, ids, text_string(&t), e);
    text_free(&t);
}

static Status chat(const Vlm *vlm, Ids *ids, int64_t *answer_at, const Picture *pictures, const Question *q,
                   const ChatOptions *options, Error *e)
{
    const char *newline = options && options->newline ? "\n" : "";
    add_prompt(vlm, ids, pictures, q, newline, e);
    *answer_at = ids->count;
    if (q->answer)
        add_answer(vlm, ids, q->answer, newline, e);
    return e->status;
}

/* Picture p's tokens, i and following, from position `next` on: one time, the merged rows and columns.
 * Returns the position that follows. */
static int32_t place_picture(const Qwen2VL *m, Sample *s, int64_t i, const Picture *p, int32_t next)
{
    int32_t *t = s->position + i;
    int32_t *h = t + s->count;
    int32_t *w = h + s->count;
    const int64_t down = p->grid[1] / m->pictures.merge;
    const int64_t across = p->grid[2] / m->pictures.merge;
    for (int64_t k = 0; k < p->tokens; k++) {
        t[k] = next;
        h[k] = next + (int32_t)(k / across);
        w[k] = next + (int32_t)(k % across);
    }
    return next + (int32_t)max_i64(down, across);
}

/* M-RoPE (get_rope_index): text counts on all three axes, and continues after a picture's
 * largest position. */
static Status positions(const Vlm *vlm, Sample *s, Error *e)
{
    int32_t next = 0;
    int64_t seen = 0;
    int64_t i = 0;
    while (e->status == OK && i < s->count) {
        if (s->ids[i] != vlm->image) {
            for (int axis = 0; axis < QWEN2VL_SECTIONS; axis++)
                s->position[axis * s->count + i] = next;
            next++;
            i++;
        } else if (seen < s->n_pictures && i + s->pictures[seen].tokens <= s->count) {
            next = place_picture(vlm->model, s, i, s->pictures + seen, next);
            i += s->pictures[seen].tokens;
            seen++;
        } else {
            error_set(e, BAD_INPUT, "the text has more picture tokens than its %lld pictures fill",
                      (long long)s->n_pictures);
        }
    }
    if (e->status == OK && seen < s->n_pictures)
        error_set(e, BAD_INPUT, "the text has the tokens of %lld pictures, wanted %lld", (long long)seen,
                  (long long)s->n_pictures);
    s->next_position = next;
    return e->status;
}

static Mat *picture_rows(Run *run, const Vlm *vlm, const Picture *const *pictures, int64_t count)
{
    const Qwen2VL *m = vlm->model;
    return qwen2vl_vision(run, &m->vision, pictures, count);
}

static Mat *text(Run *run, const Vlm *vlm, const Batch *b, KvCache *cache, Mat *rows)
{
    const Qwen2VL *m = vlm->model;
    const Rope *r = rope_table(run, &m->rotary, b->position, b->rows);
    return decoder(run, &m->decoder, b, cache, r, rows, vlm->image);
}

static Status describe(const Vlm *vlm, Text *text, Error *e)
{
    const Qwen2VL *m = vlm->model;
    const TransformerShape *l = &m->vision.tower.shape.layer;
    const Qwen2VLPictures *p = &m->pictures;
    text_format(text, e,
                "  vision: %lld blocks of width %lld, %lld heads, MLP %lld; patches of %lldx%lld, "
                "%lldx%lld of them make a token\n"
                "          pictures of %lld to %lld pixels\n",
                (long long)l->layers, (long long)l->width, (long long)l->heads, (long long)l->hidden,
                (long long)p->patch, (long long)p->patch, (long long)p->merge, (long long)p->merge,
                (long long)p->limits.min, (long long)p->limits.max);
    return decoder_describe(&m->decoder, vlm, text, e);
}

static void probe_inputs(Run *run, const Vlm *vlm, const Sample *s)
{
    probe_ids(run, s);
    probe_array(run, s->position, I32, 3, (int64_t[]){3, 1, s->count}, "position_ids");
    (void)vlm;
    const Picture **list = run_alloc(run, s->n_pictures, sizeof *list);
    int32_t *grid = run_alloc(run, 3 * s->n_pictures, sizeof *grid);
    if (!list || !grid || !s->n_pictures)
        return;
    for (int64_t i = 0; i < s->n_pictures; i++) {
        list[i] = s->pictures + i;
        for (int j = 0; j < 3; j++)
            grid[3 * i + j] = (int32_t)s->pictures[i].grid[j];
    }
    probe_mat(run, picture_patches(run, list, s->n_pictures), 0, "pixel_values");
    probe_array(run, grid, I32, 2, (int64_t[]){s->n_pictures, 3}, "image_grid_thw");
}

const Family family_qwen2vl = {
    .type = {{"qwen2_vl", {UINT64_C(0x71242F76359E71E8)}}}, /* Qwen2-VL-2B-Instruct, -7B-Instruct */
    .renames = (const Rename[]){{"model.language_model.", "model."}, {"model.visual.", "visual."}, {0}},
    .ignorable = (const char *const[]){"rotary_emb.inv_freq", "rotary_pos_emb.inv_freq", NULL},
    .load = load,
    .picture = picture,
    .place = place,
    .tile = tile,
    .trainer_limits = true,
    .conversations = true,
    .chat = chat,
    .positions = positions,
    .vision = picture_rows,
    .text = text,
    .describe = describe,
    .probe_inputs = probe_inputs,
};
