#include "model/vlm.h"

#include "base/file.h"
#include "model/family/qwen2vl/qwen2vl.h"
#include "model/family/smolvlm/smolvlm.h"
#include "tensor/gemm.h"
#include "tensor/probe.h"
#include "text/chat_template.h"

#include <stdlib.h>
#include <string.h>

static const Family *const families[] = {&family_qwen2vl, &family_idefics3, &family_smolvlm};
enum { FAMILIES = sizeof families / sizeof *families };

static Status find_family(Vlm *vlm, const Json *config, Error *e)
{
    const char *type;
    if (!json_is_object(config->root))
        return error_set(e, BAD_INPUT, "%s: wanted an object, found %s", config->path,
                         json_kind(config->root));
    if (json_string_in(config, config->root, "", "model_type", &type, e) != OK)
        return e->status;
    for (size_t i = 0; i < FAMILIES; i++)
        if (!strcmp(type, families[i]->model_type))
            vlm->family = families[i];
    if (vlm->family)
        return OK;
    Text known = {0};
    for (size_t i = 0; i < FAMILIES; i++)
        text_format(&known, e, "%s%s", i ? ", " : "", families[i]->model_type);
    error_set(e, BAD_INPUT, "%s: model_type \"%s\" is not supported (supported: %s)", config->path, type,
              text_string(&known));
    text_free(&known);
    return BAD_INPUT;
}

static Status add_eos(GenerationConfig *g, const Json *j, const json_t *v, Error *e)
{
    if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > INT32_MAX)
        return error_set(e, BAD_INPUT, "%s: eos_token_id: wanted a token id or a list of them, found %s",
                         j->path, json_kind(v));
    if (g->n_eos == MAX_EOS)
        return error_set(e, BAD_INPUT, "%s: eos_token_id: more than %d tokens", j->path, MAX_EOS);
    g->eos[g->n_eos++] = (int32_t)json_integer_value(v);
    return OK;
}

static Status load_eos(GenerationConfig *g, const Json *j, const json_t *o, Error *e)
{
    const json_t *v = json_object_get(o, "eos_token_id");
    if (!v || json_is_null(v))
        return OK;
    if (!json_is_array(v))
        return add_eos(g, j, v, e);
    for (size_t i = 0; i < json_array_size(v) && e->status == OK; i++)
        add_eos(g, j, json_array_get(v, i), e);
    return e->status;
}

/* generation_config.json; without one, transformers takes the end token from config.json, of the
 * model or else of its text model, and defaults for the rest. */
static Status load_generation(Vlm *vlm, const Json *config, Error *e)
{
    GenerationConfig *g = &vlm->generation;
    *g = (GenerationConfig){.temperature = 1, .top_k = 50, .top_p = 1, .repetition_penalty = 1};
    char *path = path_join(vlm->folder, "generation_config.json", e);
    if (!path)
        return NO_MEMORY;
    Json j;
    Status status;
    if (!file_exists(path)) {
        status = load_eos(g, config, config->root, e);
        if (status == OK && !g->n_eos)
            status = load_eos(g, config, json_object_get(config->root, "text_config"), e);
    } else if ((status = json_open(&j, path, 1 << 20, e)) == OK) {
        if (!json_is_object(j.root))
            error_set(e, BAD_INPUT, "%s: wanted an object, found %s", path, json_kind(j.root));
        else
            json_bool_or(&j, j.root, "", "do_sample", false, &g->do_sample, e);
        json_real_or(&j, j.root, "", "temperature", 1e-6, 1e6, 1, &g->temperature, e);
        json_integer_or(&j, j.root, "", "top_k", 0, INT32_MAX, 50, &g->top_k, e);
        json_real_or(&j, j.root, "", "top_p", 0, 1, 1, &g->top_p, e);
        json_real_or(&j, j.root, "", "repetition_penalty", 1e-3, 1e3, 1, &g->repetition_penalty, e);
        load_eos(g, &j, j.root, e);
        status = e->status;
        json_close(&j);
    }
    free(path);
    return status;
}

static Status open_parts(Vlm *vlm, const Json *config, Error *e)
{
    /* Nothing in the files is asked for by several names; what a newer transformers adds as a
     * buffer is no parameter. */
    static const char *const ignorable[] = {"rotary_emb.inv_freq", "rotary_pos_emb.inv_freq", NULL};
    Status status = find_family(vlm, config, e);
    if (status == OK)
        status = checkpoint_open(&vlm->checkpoint, vlm->folder, e);
    if (status == OK)
        status = vlm->family->load(vlm, config, e);
    if (status == OK)
        status = checkpoint_finish(&vlm->checkpoint, ignorable, e);
    char *path = path_join(vlm->folder, "tokenizer.json", e);
    if (status == OK && path && !(vlm->tokenizer = tokenizer_open(path, e)))
        status = e->status;
    free(path);
    if (status == OK && tokenizer_size(vlm->tokenizer) > vlm->vocab)
        status = error_set(e, BAD_INPUT,
                           "%s/tokenizer.json: its largest id is %lld, but config.json's vocab_size is %lld",
                           vlm->folder, (long long)tokenizer_size(vlm->tokenizer) - 1, (long long)vlm->vocab);
    if (status == OK)
        status = load_generation(vlm, config, e);
    if (status == OK)
        status =
            chat_template_check(vlm->folder, vlm->family->model_type, vlm->warning, sizeof vlm->warning, e);
    return status;
}

Status vlm_open(Vlm *vlm, const char *folder, Error *e)
{
    *vlm = (Vlm){0};
    arena_init(&vlm->arena);
    Json config = {0};
    char *path = path_join(folder, "config.json", e);
    vlm->folder = memory_copy(folder, e);
    Status status = path && vlm->folder ? gemm_start(e) : NO_MEMORY;
    if (status == OK)
        status = json_open(&config, path, 16 << 20, e);
    if (status == OK)
        status = open_parts(vlm, &config, e);
    json_close(&config);
    free(path);
    if (status != OK)
        vlm_close(vlm);
    return status;
}

Status vlm_invent(Vlm *vlm, const char *config, Error *e)
{
    *vlm = (Vlm){0};
    arena_init(&vlm->arena);
    Json j = {0};
    const char *slash = strrchr(config, '/');
    vlm->folder = slash ? memory_copy_bytes(config, (size_t)(slash - config), e) : memory_copy(".", e);
    Status status = vlm->folder ? gemm_start(e) : NO_MEMORY;
    if (status == OK)
        status = json_open(&j, config, 16 << 20, e);
    if (status == OK)
        status = find_family(vlm, &j, e);
    if (status == OK) {
        checkpoint_invent(&vlm->checkpoint);
        status = vlm->family->load(vlm, &j, e);
    }
    json_close(&j);
    if (status != OK)
        vlm_close(vlm);
    return status;
}

void vlm_close(Vlm *vlm)
{
    tokenizer_close(vlm->tokenizer);
    checkpoint_close(&vlm->checkpoint);
    arena_free(&vlm->arena);
    free(vlm->folder);
    *vlm = (Vlm){0};
}

Status vlm_picture(const Vlm *vlm, Picture *out, const char *path, const PictureLimits *limits, Error *e)
{
    Image rgb = {0};
    *out = (Picture){0};
    Status status = image_read(&rgb, path, e);
    if (status == OK && (status = vlm->family->picture(vlm, out, &rgb, limits, e)) != OK)
        error_prefix(e, "%s", path);
    image_free(&rgb);
    return status;
}

void picture_free(Picture *p)
{
    free(p->pixels);
    *p = (Picture){0};
}

void sample_free(Sample *s)
{
    free(s->ids);
    free(s->labels);
    free(s->position);
    *s = (Sample){0};
}

/* Takes the ids over into *out and gives them positions. */
static Status sample_finish(const Vlm *vlm, Sample *out, Ids *ids, const Picture *pictures,
                            int64_t n_pictures, Error *e)
{
    *out = (Sample){.ids = ids->data, .count = ids->count, .pictures = pictures, .n_pictures = n_pictures};
    out->position = memory_new(3 * ids->count, sizeof *out->position, e);
    *ids = (Ids){0};
    Status status = out->position ? vlm->family->positions(vlm, out, e) : NO_MEMORY;
    if (status == OK && out->next_position > vlm->max_positions)
        status = error_set(e, BAD_INPUT,
                           "a prompt of %lld positions; the model has %lld (max_position_embeddings): use "
                           "smaller or fewer pictures",
                           (long long)out->next_position, (long long)vlm->max_positions);
    if (status != OK)
        sample_free(out);
    return status;
}

Status vlm_prompt(const Vlm *vlm, Sample *out, const Picture *pictures, int64_t n_pictures, const char *text,
                  Error *e)
{
    Ids ids = {0};
    *out = (Sample){0};
    Status status = vlm->family->prompt(vlm, &ids, pictures, n_pictures, text, false, e);
    if (status == OK)
        status = sample_finish(vlm, out, &ids, pictures, n_pictures, e);
    ids_free(&ids);
    return status;
}

Status vlm_training_sample(const Vlm *vlm, Sample *out, const Picture *pictures, int64_t n_pictures,
                           const char *text, const char *answer, bool extra_newline, Error *e)
{
    Ids ids = {0};
    *out = (Sample){0};
    Status status = vlm->family->prompt(vlm, &ids, pictures, n_pictures, text, extra_newline, e);
    int64_t prompt = ids.count;
    if (status == OK)
        status = vlm->family->answer(vlm, &ids, answer, extra_newline, e);
    if (status == OK)
        status = sample_finish(vlm, out, &ids, pictures, n_pictures, e);
    if (status == OK && !(out->labels = memory_new(out->count, sizeof *out->labels, e))) {
        sample_free(out);
        status = NO_MEMORY;
    }
    for (int64_t i = 0; status == OK && i < out->count; i++)
        out->labels[i] = i < prompt ? LABEL_NONE : out->ids[i];
    ids_free(&ids);
    return status;
}

Batch *batch_pack(Run *run, const Sample *samples, int64_t count)
{
    int64_t rows = 0, pictures = 0, row = 0, picture = 0;
    for (int64_t i = 0; i < count; i++) {
        rows += samples[i].count;
        pictures += samples[i].n_pictures;
    }
    Batch *b = run_alloc(run, 1, sizeof *b);
    int32_t *ids = run_alloc(run, rows, sizeof *ids), *position = run_alloc(run, 3 * rows, sizeof *position);
    int64_t *start = run_alloc(run, count + 1, sizeof *start);
    const Picture **list = run_alloc(run, pictures, sizeof *list);
    if (!b || !ids || !position || !start || !list)
        return NULL;
    start[0] = 0;
    for (int64_t i = 0; i < count; i++) {
        const Sample *s = samples + i;
        memcpy(ids + row, s->ids, (size_t)s->count * sizeof *ids);
        for (int axis = 0; axis < 3; axis++)
            memcpy(position + axis * rows + row, s->position + axis * s->count,
                   (size_t)s->count * sizeof *position);
        for (int64_t p = 0; p < s->n_pictures; p++)
            list[picture++] = s->pictures + p;
        row += s->count;
        start[i + 1] = row;
    }
    *b = (Batch){rows, ids, position, {count, start}, list, pictures};
    return b;
}

int64_t batch_labels(Run *run, const Batch *b, const Sample *samples, const int64_t **rows,
                     const int32_t **labels)
{
    int64_t count = 0, *at = b ? run_alloc(run, b->rows, sizeof *at) : NULL;
    int32_t *next = at ? run_alloc(run, b->rows, sizeof *next) : NULL;
    for (int64_t s = 0; next && s < b->seqs.count; s++)
        for (int64_t i = 0; samples[s].labels && i + 1 < samples[s].count; i++)
            if (samples[s].labels[i + 1] != LABEL_NONE) {
                at[count] = b->seqs.start[s] + i;
                next[count++] = samples[s].labels[i + 1];
            }
    *rows = at;
    *labels = next;
    return count;
}

/* Whether a gradient is wanted of any parameter of the vision pass. */
static bool trains_vision(const Vlm *vlm)
{
    for (int64_t i = 0; i < vlm->checkpoint.params; i++)
        if (vlm->checkpoint.param[i]->grad && vlm->checkpoint.param[i]->part != PART_TEXT)
            return true;
    return false;
}

Mat *vlm_forward(Run *run, const Vlm *vlm, const Batch *batch, KvCache *cache)
{
    if (!batch)
        return NULL;
    Run vision_run = *run;
    if (!trains_vision(vlm))
        vision_run.tape = NULL;
    Mat *rows =
        batch->n_pictures ? vlm->family->vision(&vision_run, vlm, batch->pictures, batch->n_pictures) : NULL;
    Mat *x = vlm->family->text(run, vlm, batch, cache, rows);
    if (x && cache)
        kv_cache_advance(cache, &batch->seqs);
    return x;
}

Mat *vlm_logits(Run *run, const Vlm *vlm, Mat *hidden)
{
    return linear(run, &vlm->head, hidden);
}
