/* Qwen2-VL (Qwen2VLForConditionalGeneration): vision tower and merger, their rows put into the
 * text, decoder with M-RoPE. */
#include "model/family/qwen2vl/qwen2vl.h"

#include "model/block/decoder.h"
#include "model/chat.h"
#include "model/fields.h"
#include "model/family/qwen2vl/picture.h"
#include "model/family/qwen2vl/vision.h"
#include "tensor/probe.h"

#include <string.h>

enum { SECTIONS = 3 };

typedef struct {
    Decoder decoder;
    int64_t section[SECTIONS];        /* of M-RoPE */
    int32_t vision_start, vision_end; /* token ids */
    Qwen2VLVision vision;
    Qwen2VLPictures pictures;
} Model;

/* rope_scaling: M-RoPE's sections of a head's frequencies. */
static void load_sections(Model *m, const Json *config, int64_t half, Error *e)
{
    json_t *scaling;
    json_t *section;
    const char *type;
    json_object_in(config, config->root, "", "rope_scaling", &scaling, e);
    /* "type" is the older name of "rope_type"; "mrope" and "default" mean the same here. */
    const char *key = json_object_get(scaling, "rope_type") ? "rope_type" : "type";
    json_string_or(config, scaling, "rope_scaling", key, "default", &type, e);
    if (e->status == OK && strcmp(type, "default") && strcmp(type, "mrope"))
        error_set(e, BAD_INPUT, "%s: rope_scaling.%s: wanted \"mrope\" or \"default\", found \"%s\"",
                  config->path, key, type);
    if (json_array_in(config, scaling, "rope_scaling", "mrope_section", &section, e) != OK)
        return;
    int64_t sum = 0;
    for (size_t i = 0; i < SECTIONS; i++) {
        m->section[i] = json_integer_value(json_array_get(section, i));
        sum += m->section[i] > 0 ? m->section[i] : half;
    }
    if (json_array_size(section) != SECTIONS || sum != half)
        error_set(
            e, BAD_INPUT,
            "%s: rope_scaling.mrope_section: wanted 3 positive integers with sum %lld (half a head's width)",
            config->path, (long long)half);
}

static Status load(Vlm *vlm, const Json *config, Error *e)
{
    DecoderSizes z = {152064, 8192, 29568, 80, 64, 8, 0, 32768, 1e-5, 1e6, true};
    bool tied;
    Model *m = arena_zero(&vlm->arena, 1, sizeof *m, e);
    vlm->model = m;
    if (!m || decoder_sizes(&z, config, config->root, "", true, e) != OK)
        return e->status;
    load_sections(m, config, z.head_width / 2, e);
    json_bool_or(config, config->root, "", "tie_word_embeddings", false, &tied, e);
    field_token(config, "image_token_id", z.vocab, -1, &vlm->image, e);
    field_token(config, "vision_start_token_id", z.vocab, -1, &m->vision_start, e);
    field_token(config, "vision_end_token_id", z.vocab, -1, &m->vision_end, e);
    decoder_load(&m->decoder, vlm, "model", &z, tied, e);
    qwen2vl_vision_load(&m->vision, vlm, config, z.width, e);
    qwen2vl_pictures_load(&m->pictures, vlm->folder, e);
    int64_t values = 3 * m->pictures.temporal * m->pictures.patch * m->pictures.patch;
    if (e->status == OK && (values != m->vision.patch_values || m->pictures.merge != m->vision.merge))
        error_set(e, BAD_INPUT, "%s: its patch or merge sizes are not those of preprocessor_config.json",
                  config->path);
    int64_t patch_width = 8 * m->vision.width + 2 * m->vision.hidden + m->vision.patch_values;
    vlm->picture_layers = m->vision.depth;
    vlm->picture_row_bytes = patch_width * m->vision.merge * m->vision.merge * (int64_t)sizeof(float);
    return e->status;
}

static Status picture(const Vlm *vlm, Picture *out, const Image *rgb, const PictureOptions *options, Error *e)
{
    const Model *m = vlm->model;
    return qwen2vl_picture(&m->pictures, out, rgb, options, e);
}

/* <|im_start|>system, the default system text, <|im_start|>user, pictures, text: each picture is
 * vision_start, its tokens, vision_end. Only special tokens cut a text: the line end before the
 * question and the one behind it may merge with the question's first and last characters. */
static void add_prompt(const Vlm *vlm, Ids *ids, const Picture *pictures, const Question *q,
                       const char *newline, Error *e)
{
    const Model *m = vlm->model;
    Text head = {0};
    Text user = {0};
    text_format(&head, e, "<|im_start|>system\nYou are a helpful assistant.%s<|im_end|>\n<|im_start|>user\n",
                newline);
    text_format(q->n_images ? &user : &head, e, "%s%s", q->text, newline);
    chat_add_user(vlm, ids, text_string(&head), e);
    for (int64_t i = 0; i < q->n_images; i++) {
        ids_add(ids, m->vision_start, e);
        ids_repeat(ids, vlm->image, pictures[i].tokens, e);
        ids_add(ids, m->vision_end, e);
    }
    chat_add_user(vlm, ids, text_string(&user), e);
    chat_add(vlm, ids, "<|im_end|>\n<|im_start|>assistant\n", e);
    text_free(&head);
    text_free(&user);
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

/* M-RoPE (get_rope_index): text counts in all three rows; a picture's tokens stand at one time
 * and at their merged rows and columns; the text after it goes on behind the largest position so
 * far. */
static Status positions(const Vlm *vlm, Sample *s, Error *e)
{
    const Model *m = vlm->model;
    int32_t *t = s->position, *h = t + s->count, *w = h + s->count, next = 0;
    int64_t seen = 0;
    for (int64_t i = 0; i < s->count;) {
        if (s->ids[i] != vlm->image) {
            t[i] = h[i] = w[i] = next++;
            i++;
            continue;
        }
        const Picture *p = seen < s->n_pictures ? s->pictures + seen++ : NULL;
        if (!p || i + p->tokens > s->count)
            return error_set(e, BAD_INPUT, "the text has more picture tokens than its %lld pictures fill",
                             (long long)s->n_pictures);
        int64_t down = p->grid[1] / m->pictures.merge, across = p->grid[2] / m->pictures.merge;
        for (int64_t k = 0; k < p->tokens; k++, i++) {
            t[i] = next;
            h[i] = next + (int32_t)(k / across);
            w[i] = next + (int32_t)(k % across);
        }
        next += (int32_t)(down > across ? down : across);
    }
    s->next_position = next;
    return OK;
}

static Mat *vision(Run *run, const Vlm *vlm, const Picture *const *pictures, int64_t count)
{
    const Model *m = vlm->model;
    return qwen2vl_vision(run, &m->vision, pictures, count);
}

static Mat *text(Run *run, const Vlm *vlm, const Batch *b, KvCache *cache, Mat *picture_rows)
{
    const Model *m = vlm->model;
    const DecoderSizes *z = &m->decoder.sizes;
    const RotaryRule rule = {.head = z->head_width,
                             .turned = z->head_width,
                             .theta = z->rope_theta,
                             .section = m->section,
                             .sections = SECTIONS,
                             .scale = 1};
    const Rope *r = rope_table(run, &rule, b->position, b->rows);
    return decoder(run, &m->decoder, b, cache, r, picture_rows, vlm->image);
}

static Status describe(const Vlm *vlm, Text *text, Error *e)
{
    const Model *m = vlm->model;
    const Qwen2VLVision *v = &m->vision;
    if (!text_format(text, e,
                     "  vision: %lld blocks of width %lld, %lld heads, MLP %lld; patches of %lldx%lld, "
                     "%lldx%lld of them make a token\n"
                     "          pictures of %lld to %lld pixels\n",
                     (long long)v->depth, (long long)v->width, (long long)v->heads, (long long)v->hidden,
                     (long long)m->pictures.patch, (long long)m->pictures.patch, (long long)v->merge,
                     (long long)v->merge, (long long)m->pictures.limits.min,
                     (long long)m->pictures.limits.max))
        return NO_MEMORY;
    return decoder_describe(&m->decoder, vlm, text, e);
}

static void probe_inputs(Run *run, const Vlm *vlm, const Sample *s)
{
    (void)vlm;
    int64_t rows = 0, cols = s->n_pictures ? s->pictures[0].cols : 0;
    for (int64_t i = 0; i < s->n_pictures; i++)
        rows += s->pictures[i].rows;
    float *pixels = run_alloc(run, rows * cols, sizeof *pixels);
    int32_t *grid = run_alloc(run, 3 * s->n_pictures, sizeof *grid);
    if (!pixels || !grid || !rows)
        return;
    for (int64_t i = 0, row = 0; i < s->n_pictures; row += s->pictures[i++].rows) {
        memcpy(pixels + row * cols, s->pictures[i].pixels,
               (size_t)(s->pictures[i].rows * cols) * sizeof *pixels);
        for (int j = 0; j < 3; j++)
            grid[3 * i + j] = (int32_t)s->pictures[i].grid[j];
    }
    probe_array(run, pixels, F32, 2, (int64_t[]){rows, cols}, "pixel_values");
    probe_array(run, grid, I32, 2, (int64_t[]){s->n_pictures, 3}, "image_grid_thw");
}

const Family family_qwen2vl = {
    .type = {{"qwen2_vl", {UINT64_C(0x71242F76359E71E8)}}}, /* Qwen2-VL-2B-Instruct, -7B-Instruct */
    .renames = (const Rename[]){{"model.language_model.", "model."}, {"model.visual.", "visual."}, {0}},
    .ignorable = (const char *const[]){"rotary_emb.inv_freq", "rotary_pos_emb.inv_freq", NULL},
    .load = load,
    .picture = picture,
    .chat = chat,
    .positions = positions,
    .vision = vision,
    .text = text,
    .describe = describe,
    .probe_inputs = probe_inputs,
};
