/* InternVL2 (InternVLChatModel): InternViT over tiles, connector, InternLM2 or Phi-3. Everything that is
 * peculiar to the family is in this folder. The chat text is that of config.json's `template`, not of
 * a chat template file. */
#include "model/family/internvl2/internvl2.h"

#include "model/chat.h"
#include "model/fields.h"
#include "tensor/probe.h"
#include "text/unicode.h"

#include <string.h>

/* The system text of the public code's conversation templates, a fixed part of the models' prompt. */
#define SYSTEM                                                                                               \
    "\xE4\xBD\xA0\xE6\x98\xAF\xE7\x94\xB1\xE4\xB8\x8A\xE6\xB5\xB7\xE4\xBA\xBA\xE5\xB7\xA5\xE6\x99\xBA"       \
    "\xE8\x83\xBD\xE5\xAE\x9E\xE9\xAA\x8C\xE5\xAE\xA4\xE8\x81\x94\xE5\x90\x88\xE5\x95\x86\xE6\xB1\xA4"       \
    "\xE7\xA7\x91\xE6\x8A\x80\xE5\xBC\x80\xE5\x8F\x91\xE7\x9A\x84\xE4\xB9\xA6\xE7\x94\x9F\xE5\xA4\x9A"       \
    "\xE6\xA8\xA1\xE6\x80\x81\xE5\xA4\xA7\xE6\xA8\xA1\xE5\x9E\x8B\xEF\xBC\x8C\xE8\x8B\xB1\xE6\x96\x87"       \
    "\xE5\x90\x8D\xE5\x8F\xABInternVL, "                                                                     \
    "\xE6\x98\xAF\xE4\xB8\x80\xE4\xB8\xAA\xE6\x9C\x89\xE7\x94\xA8\xE6\x97\xA0\xE5\xAE\xB3\xE7\x9A\x84"       \
    "\xE4\xBA\xBA\xE5\xB7\xA5\xE6\x99\xBA\xE8\x83\xBD\xE5\x8A\xA9\xE6\x89\x8B\xE3\x80\x82"

/* One row per template that the models name. */
struct ChatForm {
    const char *name;
    const char *before, *after; /* the question; after it the answer starts */
    const char *end;            /* of an answer: one token, which also ends generation */
    bool strips;                /* in training, the spaces around question and answer */
};

static const struct ChatForm forms[] = {
    {"internlm2-chat", "<|im_start|>system\n" SYSTEM "<|im_end|><|im_start|>user\n",
     "<|im_end|><|im_start|>assistant\n", "<|im_end|>", true},
    {"phi3-chat", "<|system|>\n" SYSTEM "<|end|><|user|>\n", "<|end|><|assistant|>\n", "<|end|>", false},
};
enum { FORMS = sizeof forms / sizeof *forms };

static const char context_token[] = "<IMG_CONTEXT>";

static void find_form(InternVL2 *m, const Json *config, Error *e)
{
    const char *name;
    json_string_in(config, config->root, "", "template", &name, e);
    for (int i = 0; e->status == OK && i < FORMS; i++)
        if (!strcmp(forms[i].name, name))
            m->chat = forms + i;
    if (e->status == OK && !m->chat)
        error_set(e, BAD_INPUT, "%s: template: \"%s\" is not supported (supported: %s, %s)", config->path,
                  name, forms[0].name, forms[1].name);
}

/* The id of a token of the tokenizer; `fallback` for a model without one (bench). */
static int32_t find_token(const Vlm *vlm, const char *token, int64_t fallback, Error *e)
{
    if (e->status != OK || !vlm->tokenizer)
        return (int32_t)fallback;
    const int32_t id = tokenizer_id(vlm->tokenizer, token);
    if (id < 0)
        error_set(e, BAD_INPUT, "%s: lacks the token %s", tokenizer_file(vlm->tokenizer), token);
    return id;
}

static Status load(Vlm *vlm, const Json *config, Error *e)
{
    InternVL2 *m = arena_zero(&vlm->arena, 1, sizeof *m, e);
    vlm->model = m;
    if (!m)
        return e->status;
    find_form(m, config, e);
    internvl2_language_load(&m->language, vlm, config, e);
    internvl2_vision_load(&m->vision, vlm, config, vlm->width, e);
    if (e->status != OK)
        return e->status;
    m->pictures.patch = m->vision.patch;
    m->pictures.scale = m->vision.scale;
    m->pictures.tile = m->vision.side * m->vision.patch;
    internvl2_pictures_load(&m->pictures, config, e);
    vlm->image = find_token(vlm, context_token, vlm->vocab - 1, e);
    /* The public chat() stops at the template's end alone, whatever generation_config.json lists. */
    vlm->generation.eos[0] = find_token(vlm, m->chat->end, 0, e);
    vlm->generation.n_eos = 1;
    return e->status;
}

static Status picture(const Vlm *vlm, Picture *out, const Image *rgb, const PictureOptions *options, Error *e)
{
    const InternVL2 *m = vlm->model;
    InternVL2Pictures p = m->pictures;
    internvl2_limit(&p, options);
    return internvl2_picture(&p, out, rgb, e);
}

static PatchPlace place(const Vlm *vlm, const Picture *p, int64_t patch)
{
    (void)vlm;
    return picture_frame_place(p, patch, 1);
}

static int64_t tile(const Vlm *vlm, bool *fixed)
{
    const InternVL2 *m = vlm->model;
    *fixed = !m->pictures.cut;
    return m->pictures.tile * m->pictures.tile;
}

/* "<img>", a context token for each row of the picture, "</img>" and a line end; several pictures are
 * numbered. */
static void add_pictures(Text *t, const Picture *pictures, int64_t count, Error *e)
{
    for (int64_t i = 0; i < count; i++) {
        if (count > 1)
            text_format(t, e, "Image-%lld: ", (long long)(i + 1));
        text_add(t, "<img>", e);
        for (int64_t k = 0; pictures && k < pictures[i].tokens; k++)
            text_add(t, context_token, e);
        text_add(t, "</img>\n", e);
    }
}

/* A user's text, stripped where the template's trainer strips it. */
static void add_user(Text *t, const char *text, bool strip, Error *e)
{
    size_t count = strlen(text);
    const char *first = strip ? unicode_strip(text, &count) : text;
    if (strstr(text, context_token))
        error_set(e, BAD_INPUT, "the text holds the picture token itself, %s; remove it", context_token);
    text_add_bytes(t, first, count, e);
}

/* Where the answer's ids begin in ids[count]: behind those of the prompt alone. As in the public trainer,
 * a sample whose ids are not the prompt's and then others has no labels. */
static int64_t find_answer(const Vlm *vlm, const int32_t *ids, int64_t count, const char *prompt, Error *e)
{
    Ids before = {0};
    chat_add(vlm, &before, prompt, e);
    int64_t at = before.count;
    if (at > count || (at && memcmp(before.data, ids, (size_t)at * sizeof *ids)))
        at = count;
    ids_free(&before);
    return at;
}

/* The whole conversation is encoded as one text. */
static Status chat(const Vlm *vlm, Ids *ids, int64_t *answer_at, const Picture *pictures, const Question *q,
                   const ChatOptions *options, Error *e)
{
    const InternVL2 *m = vlm->model;
    const struct ChatForm *f = m->chat;
    const bool strip = q->answer && f->strips;
    Text prompt = {0};
    Text whole = {0};
    (void)options; /* another trainer's */
    text_add(&prompt, f->before, e);
    add_pictures(&prompt, pictures, q->n_images, e);
    add_user(&prompt, q->text, strip, e);
    text_add(&prompt, f->after, e);
    text_add(&whole, text_string(&prompt), e);
    if (q->answer) {
        add_user(&whole, q->answer, strip, e);
        text_add(&whole, f->end, e);
    }
    chat_add(vlm, ids, text_string(&whole), e);
    *answer_at = q->answer ? find_answer(vlm, ids->data, ids->count, text_string(&prompt), e) : ids->count;
    text_free(&prompt);
    text_free(&whole);
    return e->status;
}

static Mat *picture_rows(Run *run, const Vlm *vlm, const Picture *const *pictures, int64_t count)
{
    const InternVL2 *m = vlm->model;
    return internvl2_vision(run, &m->vision, pictures, count);
}

static Mat *text(Run *run, const Vlm *vlm, const Batch *b, KvCache *cache, Mat *rows)
{
    const InternVL2 *m = vlm->model;
    return internvl2_language(run, &m->language, b, cache, rows, vlm->image);
}

static Status describe(const Vlm *vlm, Text *text, Error *e)
{
    const InternVL2 *m = vlm->model;
    const TransformerShape *l = &m->vision.tower.shape.layer;
    const InternVL2Pictures *p = &m->pictures;
    const int64_t tokens = m->vision.side / p->scale * (m->vision.side / p->scale);
    text_format(text, e,
                "  vision: %lld layers of width %lld, %lld heads, MLP %lld; patches of %lldx%lld, "
                "%lldx%lld of them make a token\n"
                "          pictures of %lld to %lld tiles of %lldx%lld%s, %lld tokens each\n",
                (long long)l->layers, (long long)l->width, (long long)l->heads, (long long)l->hidden,
                (long long)p->patch, (long long)p->patch, (long long)p->scale, (long long)p->scale,
                (long long)(p->cut ? p->min : 1), (long long)(p->cut ? p->max : 1), (long long)p->tile,
                (long long)p->tile, p->thumbnail ? " and a thumbnail" : "", (long long)tokens);
    return decoder_describe(&m->language.decoder, vlm, text, e);
}

/* Tiles [tiles, 3, S, S]. */
static void probe_inputs(Run *run, const Vlm *vlm, const Sample *s)
{
    const InternVL2 *m = vlm->model;
    int64_t frames, H, W;
    probe_ids(run, s);
    float *pixels = picture_frames(run, s->pictures, s->n_pictures, m->vision.patch, &frames, &H, &W);
    if (pixels)
        probe_array(run, pixels, F32, 4, (int64_t[]){frames, 3, H, W}, "pixel_values");
}

const Family family_internvl2 = {
    .type = {{"internvl_chat", {0}}},
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
