/* SmolVLM (Idefics3ForConditionalGeneration): SigLIP tower over tiles, connector (pixel shuffle,
 * one projection), Llama. */
#include "model/family/smolvlm/smolvlm.h"

#include "model/block/decoder.h"
#include "model/chat.h"
#include "model/fields.h"
#include "model/load.h"
#include "model/family/smolvlm/siglip.h"
#include "model/family/smolvlm/picture.h"
#include "tensor/probe.h"

#include <string.h>

typedef struct {
    Decoder decoder;
    Siglip vision;
    int64_t scale; /* of the pixel shuffle */
    Linear connector;
    SmolVLMPictures pictures;
} Model;

/* transformers' defaults for a text_config: LlamaConfig's. */
static const DecoderSizes llama = {32000, 4096, 11008, 32, 32, 0, 0, 2048, 1e-6, 10000, false};

static void load_text(Vlm *vlm, Model *m, const Json *config, Error *e)
{
    DecoderSizes z = llama;
    bool tied, meant;
    const json_t *text;
    field_section(config, "text_config", &text, e);
    if (decoder_sizes(&z, config, text, "text_config", false, e) != OK)
        return;
    field_token(config, "image_token_id", z.vocab, 128257, &vlm->image, e);
    /* transformers 4.49 goes by text_config; others by the root, and then leave the head out. */
    json_bool_or(config, text, "text_config", "tie_word_embeddings", false, &tied, e);
    json_bool_or(config, config->root, "", "tie_word_embeddings", false, &meant, e);
    bool headless = !checkpoint_has(&vlm->checkpoint, "lm_head.weight");
    decoder_load(&m->decoder, vlm, "model.text_model", &z, tied || (meant && headless), e);
}

static Status load(Vlm *vlm, const Json *config, Error *e)
{
    Model *m = arena_zero(&vlm->arena, 1, sizeof *m, e);
    vlm->model = m;
    if (!m)
        return e->status;
    load_text(vlm, m, config, e);
    json_integer_or(config, config->root, "", "scale_factor", 1, 64, 2, &m->scale, e);
    siglip_load(&m->vision, vlm, config, "model.vision_model", e);
    vlm->checkpoint.part = PART_MERGER;
    m->connector = load_linear(&vlm->checkpoint, vlm->width, m->vision.width * m->scale * m->scale, false, e,
                               "model.connector.modality_projection.proj");
    m->pictures.patch = m->vision.patch;
    m->pictures.scale = m->scale;
    int64_t patch_width = 8 * m->vision.width + 2 * m->vision.hidden + 3 * m->vision.patch * m->vision.patch;
    vlm->picture_layers = m->vision.depth;
    vlm->picture_row_bytes = patch_width * m->scale * m->scale * (int64_t)sizeof(float);
    return smolvlm_pictures_load(&m->pictures, vlm->folder, e);
}

static Status picture(const Vlm *vlm, Picture *out, const Image *rgb, const PictureOptions *options, Error *e)
{
    const Model *m = vlm->model;
    (void)options; /* Qwen2-VL's alone */
    return smolvlm_picture(&m->pictures, out, rgb, e);
}

/* A picture's place in the text. Added tokens separate its pieces, so each is tokenised on its
 * own. A "\n" ends a row of tiles; the last one and the blank line before the whole picture are one
 * piece, "\n\n". */
static void add_picture(const Vlm *vlm, Ids *ids, const Picture *p, Error *e)
{
    int64_t tokens = p->tokens / p->grid[0];
    int64_t cols = p->tiles[1];
    for (int64_t t = 0; t < p->tiles[0] * cols; t++) {
        char text[80];
        snprintf(text, sizeof text, "%s<fake_token_around_image><row_%lld_col_%lld>",
                 t && t % cols == 0 ? "\n" : "", (long long)(t / cols + 1), (long long)(t % cols + 1));
        chat_add(vlm, ids, text, e);
        ids_repeat(ids, vlm->image, tokens, e);
    }
    chat_add(vlm, ids, cols ? "\n\n" : "", e);
    chat_add(vlm, ids, "<fake_token_around_image><global-img>", e);
    ids_repeat(ids, vlm->image, tokens, e);
    chat_add(vlm, ids, "<fake_token_around_image>", e);
}

static void add_prompt(const Vlm *vlm, Ids *ids, const Picture *pictures, const Question *q,
                       const char *newline, Error *e)
{
    Text user = {0};
    if (q->n_images)
        chat_add(vlm, ids, "<|im_start|>User:", e);
    for (int64_t i = 0; i < q->n_images; i++)
        add_picture(vlm, ids, pictures + i, e);
    text_format(&user, e, "%s%s%s", q->n_images ? "" : "<|im_start|>User: ", q->text, newline);
    chat_add_user(vlm, ids, text_string(&user), e);
    chat_add(vlm, ids, "<end_of_utterance>\nAssistant:", e);
    text_free(&user);
}

/* The answer begins with the space that the prompt leaves out; its end and the last line end
 * count. */
static void add_answer(const Vlm *vlm, Ids *ids, const char *answer, const char *newline, Error *e)
{
    Text t = {0};
    text_format(&t, e, " %s%s<end_of_utterance>\n", answer, newline);
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

static Status positions(const Vlm *vlm, Sample *s, Error *e)
{
    int64_t tokens = 0, found = 0;
    for (int64_t i = 0; i < s->n_pictures; i++)
        tokens += s->pictures[i].tokens;
    for (int64_t i = 0; i < s->count; i++) {
        found += s->ids[i] == vlm->image;
        for (int axis = 0; axis < 3; axis++)
            s->position[axis * s->count + i] = (int32_t)i;
    }
    s->next_position = (int32_t)s->count;
    if (found != tokens)
        return error_set(e, BAD_INPUT, "the text has %lld picture tokens, its pictures fill %lld",
                         (long long)found, (long long)tokens);
    return OK;
}

/* Pixel shuffle: `scale` x `scale` neighbouring patches become one row, theirs one after
 * another, row by row; then the projection. */
static Mat *connector(Run *run, const Model *m, const Picture *const *pictures, int64_t count, Mat *x)
{
    int64_t s = m->scale, *at = x ? run_alloc(run, x->rows, sizeof *at) : NULL, row = 0, from = 0, frames = 0;
    for (int64_t i = 0; at && i < count; i++)
        for (int64_t f = 0, down = pictures[i]->grid[1], across = pictures[i]->grid[2];
             f < pictures[i]->grid[0]; f++, frames++) {
            for (int64_t k = 0; k < down * across; k++) {
                int64_t to = k / (s * s), within = k % (s * s);
                at[row++] =
                    from + (to / (across / s) * s + within / s) * across + to % (across / s) * s + within % s;
            }
            from += down * across;
        }
    Mat *y = linear(run, &m->connector, merge_rows(run, gather_rows(run, x, at, row), s * s));
    probe_mat(run, y, frames, "model.connector");
    return y;
}

static Mat *vision(Run *run, const Vlm *vlm, const Picture *const *pictures, int64_t count)
{
    const Model *m = vlm->model;
    const SiglipPlaces *places = siglip_places(run, &m->vision, pictures, count);
    return connector(run, m, pictures, count,
                     siglip(run, &m->vision, places, picture_patches(run, pictures, count)));
}

static Mat *text(Run *run, const Vlm *vlm, const Batch *b, KvCache *cache, Mat *picture_rows)
{
    const Model *m = vlm->model;
    const DecoderSizes *z = &m->decoder.sizes;
    const RotaryRule rule = {
        .head = z->head_width, .turned = z->head_width, .theta = z->rope_theta, .scale = 1};
    const Rope *r = rope_table(run, &rule, b->position, b->rows);
    return decoder(run, &m->decoder, b, cache, r, picture_rows, vlm->image);
}

static Status describe(const Vlm *vlm, Text *text, Error *e)
{
    const Model *m = vlm->model;
    const Siglip *v = &m->vision;
    int64_t side = m->pictures.tile / v->patch;
    if (!text_format(text, e,
                     "  vision: %lld layers of width %lld, %lld heads, MLP %lld; patches of %lldx%lld, "
                     "%lldx%lld of them make a token\n"
                     "          pictures of longest edge %lld, %s %lldx%lld, %lld tokens each\n",
                     (long long)v->depth, (long long)v->width, (long long)v->attention.heads,
                     (long long)v->hidden, (long long)v->patch, (long long)v->patch, (long long)m->scale,
                     (long long)m->scale, (long long)m->pictures.longest_edge,
                     m->pictures.split ? "cut into tiles of" : "brought to", (long long)m->pictures.tile,
                     (long long)m->pictures.tile, (long long)(side * side / (m->scale * m->scale))))
        return NO_MEMORY;
    return decoder_describe(&m->decoder, vlm, text, e);
}

/* Patches back to frames [1, frames, 3, tile, tile]; every pixel of every frame counts, so the
 * mask is all ones. */
static void probe_inputs(Run *run, const Vlm *vlm, const Sample *s)
{
    const Model *m = vlm->model;
    int64_t P = m->vision.patch, frames = 0, frame = 0;
    for (int64_t i = 0; i < s->n_pictures; i++)
        frames += s->pictures[i].grid[0];
    int64_t down = frames ? s->pictures[0].grid[1] : 0, across = frames ? s->pictures[0].grid[2] : 0,
            H = down * P, W = across * P;
    float *pixels = run_alloc(run, frames * 3 * H * W, sizeof *pixels);
    int32_t *mask = run_alloc(run, frames * H * W, sizeof *mask);
    if (!pixels || !mask || !frames)
        return;
    for (int64_t i = 0; i < s->n_pictures; frame += s->pictures[i++].grid[0])
        for (int64_t k = 0; k < s->pictures[i].rows * s->pictures[i].cols; k++) {
            int64_t row = k / (3 * P * P), c = k / (P * P) % 3, y = row / across % down * P + k / P % P,
                    x = row % across * P + k % P;
            pixels[(((frame + row / (down * across)) * 3 + c) * H + y) * W + x] = s->pictures[i].pixels[k];
        }
    for (int64_t k = 0; k < frames * H * W; k++)
        mask[k] = 1;
    probe_array(run, pixels, F32, 5, (int64_t[]){1, frames, 3, H, W}, "pixel_values");
    probe_array(run, mask, I32, 4, (int64_t[]){1, frames, H, W}, "pixel_attention_mask");
}

const Family family_smolvlm = {
    .type = {{"idefics3", {UINT64_C(0x92CF2B51E627E013)}}, /* SmolVLM-256M, -500M and -Instruct */
             /* SmolVLM2: the same, or with videos, which come in a picture's place */
             {"smolvlm", {UINT64_C(0x92CF2B51E627E013), UINT64_C(0x357A154938DB1B0B)}}},
    .renames = (const Rename[]){{0}},
    .ignorable = (const char *const[]){"rotary_emb.inv_freq", NULL},
    .load = load,
    .picture = picture,
    .chat = chat,
    .positions = positions,
    .vision = vision,
    .text = text,
    .describe = describe,
    .probe_inputs = probe_inputs,
};
