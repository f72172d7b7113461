/* Qwen2-VL (Qwen2VLForConditionalGeneration): vision tower and merger, their rows put into the text, decoder with M-RoPE. */
#include "model/qwen2vl.h"

#include "model/decoder.h"
#include "model/qwen2vl_picture.h"
#include "model/qwen2vl_vision.h"
#include "tensor/probe.h"

#include <math.h>
#include <string.h>

enum { SECTIONS = 3 };

typedef struct {
    DecoderSizes sizes;
    int64_t layers, section[SECTIONS];
    double rope_theta;
    int32_t image, vision_start, vision_end; /* token ids */
    Param *embed_tokens;
    DecoderLayer *layer; /* [layers] */
    RmsNorm norm;
    Qwen2VLVision vision;
    Qwen2VLPictures pictures;
} Model;

static Status load_rope(Model *m, const Json *config, Error *e)
{
    json_t *scaling, *section;
    const char *type;
    if (json_object_in(config, config->root, "", "rope_scaling", &scaling, e) != OK)
        return e->status;
    /* "type" is the older name of "rope_type"; "mrope" and "default" mean the same here. */
    const char *key = json_object_get(scaling, "rope_type") ? "rope_type" : "type";
    json_string_or(config, scaling, "rope_scaling", key, "default", &type, e);
    if (e->status == OK && strcmp(type, "default") && strcmp(type, "mrope"))
        return error_set(e, BAD_INPUT, "%s: rope_scaling.%s: wanted \"mrope\" or \"default\", found \"%s\"", config->path, key, type);
    if (json_array_in(config, scaling, "rope_scaling", "mrope_section", &section, e) != OK)
        return e->status;
    int64_t half = m->sizes.width / m->sizes.heads / 2, sum = 0;
    for (size_t i = 0; i < SECTIONS; i++) {
        m->section[i] = json_integer_value(json_array_get(section, i));
        sum += m->section[i] > 0 ? m->section[i] : half;
    }
    if (json_array_size(section) != SECTIONS || sum != half)
        return error_set(e, BAD_INPUT, "%s: rope_scaling.mrope_section: wanted 3 positive integers with sum %lld (half a head's width)", config->path,
                         (long long)half);
    return OK;
}

static Status load_token(const Vlm *vlm, const Json *config, const char *key, int32_t *id, Error *e)
{
    int64_t n = 0;
    Status status = json_integer_in(config, config->root, "", key, 0, vlm->vocab - 1, &n, e);
    *id = (int32_t)n;
    return status;
}

static Status load_config(Vlm *vlm, Model *m, const Json *config, bool *tied, Error *e)
{
    const json_t *o = config->root;
    const int64_t big = 1 << 24;
    double eps = 0;
    const char *act;
    bool sliding;
    json_integer_or(config, o, "", "vocab_size", 1, big, 152064, &vlm->vocab, e);
    json_integer_or(config, o, "", "hidden_size", 1, big, 8192, &m->sizes.width, e);
    json_integer_or(config, o, "", "intermediate_size", 1, big, 29568, &m->sizes.hidden, e);
    json_integer_or(config, o, "", "num_hidden_layers", 1, 10000, 80, &m->layers, e);
    json_integer_or(config, o, "", "num_attention_heads", 1, 1 << 16, 64, &m->sizes.heads, e);
    json_integer_or(config, o, "", "num_key_value_heads", 1, 1 << 16, 8, &m->sizes.kv_heads, e);
    json_integer_or(config, o, "", "max_position_embeddings", 1, INT32_MAX, 32768, &vlm->max_positions, e);
    json_real_or(config, o, "", "rms_norm_eps", 0, 1, 1e-5, &eps, e);
    json_real_or(config, o, "", "rope_theta", 1, 1e12, 1e6, &m->rope_theta, e);
    json_bool_or(config, o, "", "tie_word_embeddings", false, tied, e);
    json_bool_or(config, o, "", "use_sliding_window", false, &sliding, e);
    json_string_or(config, o, "", "hidden_act", "silu", &act, e);
    if (e->status == OK && strcmp(act, "silu"))
        error_set(e, BAD_INPUT, "%s: hidden_act: wanted \"silu\", found \"%s\"", config->path, act);
    if (e->status == OK && sliding)
        error_set(e, BAD_INPUT, "%s: use_sliding_window is true; only full attention is supported", config->path);
    if (e->status == OK && (m->sizes.width % m->sizes.heads || m->sizes.width / m->sizes.heads % 2 || m->sizes.heads % m->sizes.kv_heads))
        error_set(e, BAD_INPUT, "%s: hidden_size %lld, num_attention_heads %lld and num_key_value_heads %lld do not divide", config->path,
                  (long long)m->sizes.width, (long long)m->sizes.heads, (long long)m->sizes.kv_heads);
    if (e->status != OK || load_rope(m, config, e) != OK)
        return e->status;
    m->sizes.eps = (float)eps;
    m->sizes.qkv_bias = true;
    load_token(vlm, config, "image_token_id", &m->image, e);
    load_token(vlm, config, "vision_start_token_id", &m->vision_start, e);
    return load_token(vlm, config, "vision_end_token_id", &m->vision_end, e);
}

static Status load(Vlm *vlm, const Json *config, Error *e)
{
    Checkpoint *c = &vlm->checkpoint;
    bool tied;
    Model *m = vlm->model = arena_zero(&vlm->arena, 1, sizeof *m, e);
    if (!m || load_config(vlm, m, config, &tied, e) != OK)
        return e->status;
    checkpoint_rename(c, "model.language_model.", "model.", e);
    checkpoint_rename(c, "model.visual.", "visual.", e);
    m->embed_tokens = checkpoint_matrix(c, e, vlm->vocab, m->sizes.width, "model.embed_tokens.weight");
    m->layer = arena_zero(&vlm->arena, m->layers, sizeof *m->layer, e);
    for (int64_t i = 0; m->layer && e->status == OK && i < m->layers; i++) {
        char prefix[64];
        snprintf(prefix, sizeof prefix, "model.layers.%lld", (long long)i);
        decoder_layer_load(m->layer + i, c, prefix, &m->sizes, e);
    }
    m->norm = (RmsNorm){checkpoint_vector(c, e, m->sizes.width, "model.norm.weight"), m->sizes.eps};
    vlm->head.weight = tied ? m->embed_tokens : checkpoint_matrix(c, e, vlm->vocab, m->sizes.width, "lm_head.weight");
    if (tied && e->status == OK)
        checkpoint_tied(c, "lm_head.weight", m->embed_tokens, e);
    if (e->status == OK)
        qwen2vl_vision_load(&m->vision, vlm, config, m->sizes.width, e);
    if (e->status == OK)
        qwen2vl_pictures_load(&m->pictures, vlm->folder, e);
    vlm->layers = m->layers;
    vlm->width = m->sizes.width;
    int64_t patch_width = 10 * m->vision.width + 2 * m->vision.hidden + m->vision.patch_values, merge2 = m->vision.merge * m->vision.merge;
    vlm->row_bytes = (9 * m->sizes.width + 3 * m->sizes.hidden) * (int64_t)sizeof(float);
    vlm->picture_row_bytes = patch_width * merge2 * (int64_t)sizeof(float);
    vlm->kv_width = m->sizes.kv_heads * (m->sizes.width / m->sizes.heads);
    int64_t values = 3 * m->pictures.temporal * m->pictures.patch * m->pictures.patch;
    if (e->status == OK && (values != m->vision.patch_values || m->pictures.merge != m->vision.merge))
        error_set(e, BAD_INPUT, "%s: its patch or merge sizes are not those of preprocessor_config.json", config->path);
    return e->status;
}

static Status picture(const Vlm *vlm, Picture *out, const Image *rgb, const PictureLimits *limits, Error *e)
{
    const Model *m = vlm->model;
    return qwen2vl_picture(&m->pictures, out, rgb, limits, e);
}

static Status add_text(const Vlm *vlm, Ids *ids, const char *text, Error *e)
{
    return tokenizer_encode(vlm->tokenizer, ids, text, strlen(text), e);
}

/* A picture token inside a text would be taken for a picture. */
static Status add_user_text(const Vlm *vlm, Ids *ids, const char *text, Error *e)
{
    const Model *m = vlm->model;
    int64_t before = ids->count;
    Status status = add_text(vlm, ids, text, e);
    for (int64_t i = before; status == OK && i < ids->count; i++)
        if (ids->data[i] == m->image)
            status = error_set(e, BAD_INPUT, "the text holds the picture token itself (at token %lld); remove it", (long long)(i - before));
    return status;
}

static Status prompt(const Vlm *vlm, Ids *ids, const Picture *pictures, int64_t n_pictures, const char *text, bool extra_newline, Error *e)
{
    const Model *m = vlm->model;
    const char *newline = extra_newline ? "\n" : "";
    /* Only special tokens cut a text. The line end before the question and the one behind it may merge with its first and last characters. */
    Text head = {0}, user = {0}, *last = n_pictures ? &user : &head;
    Status status =
        text_format(&head, e, "<|im_start|>system\nYou are a helpful assistant.%s<|im_end|>\n<|im_start|>user\n", newline) ? OK : NO_MEMORY;
    if (status == OK && !text_format(last, e, "%s%s", text, newline))
        status = NO_MEMORY;
    if (status == OK)
        status = add_user_text(vlm, ids, text_string(&head), e);
    for (int64_t i = 0; status == OK && i < n_pictures; i++)
        if (!ids_add(ids, m->vision_start, e) || !ids_repeat(ids, m->image, pictures[i].tokens, e) || !ids_add(ids, m->vision_end, e))
            status = NO_MEMORY;
    if (status == OK && n_pictures)
        status = add_user_text(vlm, ids, text_string(&user), e);
    if (status == OK)
        status = add_text(vlm, ids, "<|im_end|>\n<|im_start|>assistant\n", e);
    text_free(&head);
    text_free(&user);
    return status;
}

static Status answer(const Vlm *vlm, Ids *ids, const char *text, bool extra_newline, Error *e)
{
    Text t = {0};
    Status status = text_format(&t, e, "%s%s<|im_end|>\n", text, extra_newline ? "\n" : "") ? OK : NO_MEMORY;
    if (status == OK)
        status = add_user_text(vlm, ids, text_string(&t), e);
    text_free(&t);
    return status;
}

/* M-RoPE (get_rope_index): text counts in all three rows; a picture's tokens stand at one time and at their merged rows and columns; the text after it goes on
 * behind the largest position so far. */
static Status positions(const Vlm *vlm, Sample *s, Error *e)
{
    const Model *m = vlm->model;
    int32_t *t = s->position, *h = t + s->count, *w = h + s->count, next = 0;
    int64_t seen = 0;
    for (int64_t i = 0; i < s->count;) {
        if (s->ids[i] != m->image) {
            t[i] = h[i] = w[i] = next++;
            i++;
            continue;
        }
        const Picture *p = seen < s->n_pictures ? s->pictures + seen++ : NULL;
        if (!p || i + p->tokens > s->count)
            return error_set(e, BAD_INPUT, "the text has more picture tokens than its %lld pictures fill", (long long)s->n_pictures);
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

/* Whether a gradient is wanted of any parameter under `prefix`. */
static bool trains(const Vlm *vlm, const char *prefix)
{
    for (int64_t i = 0; i < vlm->checkpoint.params; i++) {
        const Param *p = vlm->checkpoint.param[i];
        if (p->grad && !strncmp(p->name, prefix, strlen(prefix)))
            return true;
    }
    return false;
}

/* Embeddings with the pictures' rows put in at the picture tokens. */
static Mat *embed(Run *run, const Vlm *vlm, const Batch *b)
{
    const Model *m = vlm->model;
    Mat *x = embedding(run, m->embed_tokens, b->ids, b->rows);
    probe_mat(run, x, true, "model.embed_tokens");
    if (!b->n_pictures)
        return x;
    Run vision_run = *run;
    if (run->tape && !trains(vlm, "visual."))
        vision_run.tape = NULL;
    Mat *rows = qwen2vl_vision(&vision_run, &m->vision, b->pictures, b->n_pictures);
    int64_t *at = rows ? run_alloc(run, rows->rows, sizeof *at) : NULL, found = 0;
    for (int64_t n = 0; at && n < b->rows; n++)
        if (b->ids[n] == m->image) {
            if (found == rows->rows)
                break;
            at[found++] = n;
        }
    assert(!at || found == rows->rows);
    return scatter_rows(run, x, rows, at);
}

static Mat *forward(Run *run, const Vlm *vlm, const Batch *b, KvCache *cache)
{
    const Model *m = vlm->model;
    const Rope *r = rope_text(run, b->position, b->rows, m->sizes.width / m->sizes.heads / 2, m->rope_theta, m->section, SECTIONS);
    Mat *x = r ? embed(run, vlm, b) : NULL;
    for (int64_t i = 0; i < m->layers; i++) {
        x = decoder_layer(run, m->layer + i, x, r, &b->seqs, cache, i);
        probe_mat(run, x, true, "model.layers.%lld", (long long)i);
    }
    x = rmsnorm(run, &m->norm, x);
    probe_mat(run, x, true, "model.norm");
    return x;
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
        memcpy(pixels + row * cols, s->pictures[i].pixels, (size_t)(s->pictures[i].rows * cols) * sizeof *pixels);
        for (int j = 0; j < 3; j++)
            grid[3 * i + j] = (int32_t)s->pictures[i].grid[j];
    }
    probe_array(run, pixels, F32, 2, (int64_t[]){rows, cols}, "pixel_values");
    probe_array(run, grid, I32, 2, (int64_t[]){s->n_pictures, 3}, "image_grid_thw");
}

const Family family_qwen2vl = {
    .model_type = "qwen2_vl",
    .load = load,
    .picture = picture,
    .prompt = prompt,
    .answer = answer,
    .positions = positions,
    .forward = forward,
    .probe_inputs = probe_inputs,
};
