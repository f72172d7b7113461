/* SmolVLM (Idefics3ForConditionalGeneration): SigLIP tower over tiles, connector, Llama:
 *
 *     connector(x) = shuffle(x) W^T     shuffle: scale x scale neighbouring patches become one row
 *
 * Everything that is peculiar to the family is in this folder. */
#include "model/family/smolvlm/smolvlm.h"

#include "model/chat.h"
#include "model/fields.h"
#include "model/load.h"
#include "tensor/probe.h"

#include <stdio.h>

/* Sizes: LlamaConfig's defaults. */
static const DecoderShape decoder_shape = {
    .embedding = "embed_tokens",
    .layers = "layers",
    .norm = "norm",
    .head = "lm_head",
    .vocab = 32000,
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
              .names = decoder_names},
};

/* Idefics3VisionConfig's defaults. */
static const SiglipSizes siglip_sizes = {
    .width = 1152, .hidden = 3072, .layers = 12, .heads = 16, .image = 224, .patch = 32};

static void load_text(Vlm *vlm, SmolVLM *m, const Json *config, Error *e)
{
    DecoderShape z = decoder_shape;
    bool tied, meant;
    const json_t *text;
    field_section(config, "text_config", &text, e);
    if (decoder_sizes(&z, config, text, "text_config", false, e) != OK)
        return;
    field_token(config, "image_token_id", z.vocab, 128257, &vlm->image, e);
    /* transformers 4.49 reads it from text_config; others from the root, and then leave the head out. */
    json_bool_or(config, text, "text_config", "tie_word_embeddings", false, &tied, e);
    json_bool_or(config, config->root, "", "tie_word_embeddings", false, &meant, e);
    bool headless = !checkpoint_has(&vlm->checkpoint, "lm_head.weight");
    decoder_load(&m->decoder, vlm, "model.text_model", &z, tied || (meant && headless), e);
    m->rotary = decoder_rotary(&z);
}

static Status load(Vlm *vlm, const Json *config, Error *e)
{
    SmolVLM *m = arena_zero(&vlm->arena, 1, sizeof *m, e);
    vlm->model = m;
    if (!m)
        return e->status;
    load_text(vlm, m, config, e);
    json_integer_or(config, config->root, "", "scale_factor", 1, 64, 2, &m->scale, e);
    siglip_load(&m->vision, vlm, config, "model.vision_model", &siglip_sizes, m->scale, e);
    vlm->checkpoint.part = PART_MERGER;
    m->connector =
        load_linear(&vlm->checkpoint, vlm->width, m->vision.vision.shape.layer.width * m->scale * m->scale,
                    false, e, "model.connector.modality_projection.proj");
    m->pictures.patch = m->vision.patch;
    m->pictures.scale = m->scale;
    return smolvlm_pictures_load(&m->pictures, vlm->folder, e);
}

static Status picture(const Vlm *vlm, Picture *out, const Image *rgb, const PictureOptions *options, Error *e)
{
    const SmolVLM *m = vlm->model;
    SmolVLMPictures p = m->pictures;
    smolvlm_limit(&p, rgb, options);
    return smolvlm_picture(&p, out, rgb, e);
}

/* Pixels of a tile beyond its last whole patch are left out. */
static PatchPlace place(const Vlm *vlm, const Picture *p, int64_t patch)
{
    const SmolVLM *m = vlm->model;
    return picture_frame_place(p, patch, (double)(p->grid[1] * m->pictures.patch) / (double)m->pictures.tile);
}

static int64_t tile(const Vlm *vlm, bool *fixed)
{
    const SmolVLM *m = vlm->model;
    *fixed = !m->pictures.split;
    return m->pictures.tile * m->pictures.tile;
}

/* A picture's tokens and what is around them. Added tokens separate its pieces, so each is tokenised on its
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
    const bool picture_first = q->n_images && (!q->before || !*q->before[0]);
    Text text = {0};
    text_format(&text, e, "%sUser:%s", ids->count ? "" : "<|im_start|>", picture_first ? "" : " ");
    for (int64_t i = 0; i < q->n_images; i++) {
        text_add(&text, q->before ? q->before[i] : "", e);
        chat_add_user(vlm, ids, text_string(&text), e);
        text_free(&text);
        add_picture(vlm, ids, pictures + i, e);
    }
    text_format(&text, e, "%s%s", q->text, newline);
    chat_add_user(vlm, ids, text_string(&text), e);
    chat_add(vlm, ids, "<end_of_utterance>\nAssistant:", e);
    text_free(&text);
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

static Mat *picture_rows(Run *run, const Vlm *vlm, const Picture *const *pictures, int64_t count)
{
    const SmolVLM *m = vlm->model;
    const VisionRows *rows = siglip_rows(run, &m->vision, pictures, count);
    Mat *x = vision(run, &m->vision.vision, rows, picture_patches(run, pictures, count));
    x = linear(run, &m->connector, vision_shuffle(run, pictures, count, m->scale, x));
    probe_mat(run, x, rows ? rows->rows.seqs.count : 0, "model.connector");
    return x;
}

static Mat *text(Run *run, const Vlm *vlm, const Batch *b, KvCache *cache, Mat *rows)
{
    const SmolVLM *m = vlm->model;
    const Rope *r = rope_table(run, &m->rotary, b->position, b->rows);
    return decoder(run, &m->decoder, b, cache, r, rows, vlm->image);
}

static Status describe(const Vlm *vlm, Text *text, Error *e)
{
    const SmolVLM *m = vlm->model;
    const TransformerShape *l = &m->vision.vision.shape.layer;
    const SmolVLMPictures *p = &m->pictures;
    const int64_t side = p->tile / p->patch;
    text_format(text, e,
                "  vision: %lld layers of width %lld, %lld heads, MLP %lld; patches of %lldx%lld, "
                "%lldx%lld of them make a token\n"
                "          pictures of longest edge %lld, %s %lldx%lld, %lld tokens each\n",
                (long long)l->layers, (long long)l->width, (long long)l->heads, (long long)l->hidden,
                (long long)p->patch, (long long)p->patch, (long long)m->scale, (long long)m->scale,
                (long long)p->longest_edge, p->split ? "cut into tiles of" : "brought to", (long long)p->tile,
                (long long)p->tile, (long long)(side * side / (m->scale * m->scale)));
    return decoder_describe(&m->decoder, vlm, text, e);
}

/* Frames [1, frames, 3, H, W]; every pixel of every frame counts, so the mask is all ones. Where patches leave
 * out pixels of a tile, the frames are not there any more. */
static void probe_inputs(Run *run, const Vlm *vlm, const Sample *s)
{
    const SmolVLM *m = vlm->model;
    int64_t frames, H, W;
    probe_ids(run, s);
    probe_array(run, s->position, I32, 3, (int64_t[]){3, 1, s->count}, "position_ids");
    if (m->pictures.tile % m->vision.patch)
        return;
    float *pixels = picture_frames(run, s->pictures, s->n_pictures, m->vision.patch, &frames, &H, &W);
    int32_t *mask = pixels ? run_alloc(run, frames * H * W, sizeof *mask) : NULL;
    if (!mask)
        return;
    for (int64_t k = 0; k < frames * H * W; k++)
        mask[k] = 1;
    probe_array(run, pixels, F32, 5, (int64_t[]){1, frames, 3, H, W}, "pixel_values");
    probe_array(run, mask, I32, 4, (int64_t[]){1, frames, H, W}, "pixel_attention_mask");
}

const Family family_smolvlm = {
    .type = {{"idefics3", {UINT64_C(0x92CF2B51E627E013)}}, /* SmolVLM-256M, -500M and -Instruct */
             /* SmolVLM2: the same, or one that also takes videos */
             {"smolvlm", {UINT64_C(0x92CF2B51E627E013), UINT64_C(0x357A154938DB1B0B)}}},
    .renames = (const Rename[]){{0}},
    .ignorable = (const char *const[]){"rotary_emb.inv_freq", NULL},
    .load = load,
    .picture = picture,
    .place = place,
    .tile = tile,
    .conversations = true,
    .chat = chat,
    .positions = positions_in_order,
    .vision = picture_rows,
    .text = text,
    .describe = describe,
    .probe_inputs = probe_inputs,
};
