/* Opening a model: finds the family in config.json, lets it ask for its weights, and reads the
 * files that all families have. Invariant: after a failure everything is closed again. */
#include "model/vlm.h"

#include "base/file.h"
#include "base/number.h"
#include "base/path.h"
#include "model/adapter.h"
#include "model/family.h"
#include "tensor/gemm.h"
#include "text/chat_template.h"

#include <stdlib.h>
#include <string.h>

static void list_families(Text *names, Error *e)
{
    for (int i = 0; families[i]; i++)
        for (const ModelType *t = families[i]->type; t->name; t++)
            text_format(names, e, "%s%s", names->count ? ", " : "", t->name);
}

static Status find_family(Vlm *vlm, const Json *config, Error *e)
{
    const char *type;
    if (e->status == OK && !json_is_object(config->root))
        error_set(e, BAD_INPUT, "%s: wanted an object, found %s", config->path, json_kind(config->root));
    if (json_string_in(config, config->root, "", "model_type", &type, e) != OK)
        return e->status;
    for (int i = 0; families[i]; i++)
        for (const ModelType *t = families[i]->type; t->name; t++)
            if (!strcmp(type, t->name)) {
                vlm->family = families[i];
                vlm->type = t;
                return OK;
            }
    Text known = {0};
    list_families(&known, e);
    error_set(e, BAD_INPUT, "%s: model_type \"%s\" is not supported (supported: %s)", config->path, type,
              text_string(&known));
    text_free(&known);
    return e->status;
}

static Status add_eos(GenerationConfig *g, const Json *j, const json_t *v, Error *e)
{
    if (e->status != OK)
        return e->status;
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
        return e->status;
    if (!json_is_array(v))
        return add_eos(g, j, v, e);
    for (size_t i = 0; i < json_array_size(v); i++)
        add_eos(g, j, json_array_get(v, i), e);
    return e->status;
}

static void read_generation(GenerationConfig *g, const char *path, Error *e)
{
    Json j;
    if (json_open(&j, path, JSON_SMALL, e) != OK)
        return;
    if (!json_is_object(j.root))
        error_set(e, BAD_INPUT, "%s: wanted an object, found %s", path, json_kind(j.root));
    json_bool_or(&j, j.root, "", "do_sample", false, &g->do_sample, e);
    json_real_or(&j, j.root, "", "temperature", 1e-6, 1e6, 1, &g->temperature, e);
    json_integer_or(&j, j.root, "", "top_k", 0, INT32_MAX, 50, &g->top_k, e);
    json_real_or(&j, j.root, "", "top_p", 0, 1, 1, &g->top_p, e);
    json_real_or(&j, j.root, "", "repetition_penalty", 1e-3, 1e3, 1, &g->repetition_penalty, e);
    load_eos(g, &j, j.root, e);
    json_close(&j);
}

/* generation_config.json; without one, transformers takes the end token from config.json, of the
 * model or else of its text model, and defaults for the rest. */
static Status load_generation(Vlm *vlm, const Json *config, Error *e)
{
    GenerationConfig *g = &vlm->generation;
    *g = (GenerationConfig){.temperature = 1, .top_k = 50, .top_p = 1, .repetition_penalty = 1};
    char *path = path_join(vlm->folder, "generation_config.json", e);
    if (e->status == OK && file_exists(path)) {
        read_generation(g, path, e);
    } else {
        load_eos(g, config, config->root, e);
        if (!g->n_eos)
            load_eos(g, config, json_object_get(config->root, "text_config"), e);
    }
    free(path);
    return e->status;
}

Status vlm_samples(const char *folder, bool *samples, Error *e)
{
    GenerationConfig g = {.top_k = 50};
    char *path = path_join(folder, "generation_config.json", e);
    if (path && file_exists(path))
        read_generation(&g, path, e);
    *samples = g.do_sample && g.top_k != 1;
    free(path);
    return e->status;
}

/* The weights, each asked for by the family; a tensor that nobody asked for is an error. */
static Status load_weights(Vlm *vlm, const Json *config, Error *e)
{
    Checkpoint *c = &vlm->checkpoint;
    if (checkpoint_open(c, vlm->folder, e) != OK)
        return e->status;
    for (const Rename *r = vlm->family->renames; r->from; r++)
        checkpoint_rename(c, r->from, r->to, e);
    vlm->family->load(vlm, config, e);
    return checkpoint_finish(c, vlm->family->ignorable, e);
}

static Status check_vocabulary(const Vlm *vlm, Error *e)
{
    if (e->status == OK && tokenizer_size(vlm->tokenizer) > vlm->vocab)
        error_set(e, BAD_INPUT, "%s: its largest id is %lld, but config.json's vocab_size is %lld",
                  tokenizer_file(vlm->tokenizer), (long long)tokenizer_size(vlm->tokenizer) - 1,
                  (long long)vlm->vocab);
    return e->status;
}

Status vlm_open(Vlm *vlm, const char *folder, Error *e)
{
    *vlm = (Vlm){0};
    arena_init(&vlm->arena);
    if (e->status != OK)
        return e->status;
    Json config;
    char *path = path_join(folder, "config.json", e);
    vlm->folder = memory_copy(folder, e);
    gemm_start(e);
    json_open(&config, path, JSON_SMALL, e);
    find_family(vlm, &config, e);
    if (e->status == OK) {
        load_generation(vlm, &config, e);
        vlm->tokenizer = tokenizer_open(vlm->folder, e);
        load_weights(vlm, &config, e);
        check_vocabulary(vlm, e);
        chat_template_check(vlm->folder, vlm->type->name, vlm->type->template, vlm->warning,
                            sizeof vlm->warning, e);
    }
    json_close(&config);
    free(path);
    if (e->status != OK)
        vlm_close(vlm);
    return e->status;
}

static Status invent(Vlm *vlm, const char *config, bool empty, Error *e)
{
    *vlm = (Vlm){0};
    arena_init(&vlm->arena);
    if (e->status != OK)
        return e->status;
    Json j;
    vlm->folder = path_folder(config, e);
    gemm_start(e);
    json_open(&j, config, JSON_SMALL, e);
    find_family(vlm, &j, e);
    if (e->status == OK) {
        checkpoint_invent(&vlm->checkpoint);
        vlm->checkpoint.empty = empty;
        vlm->family->load(vlm, &j, e);
    }
    json_close(&j);
    if (e->status != OK)
        vlm_close(vlm);
    return e->status;
}

Status vlm_invent(Vlm *vlm, const char *config, Error *e)
{
    return invent(vlm, config, false, e);
}

Status vlm_shape(Vlm *vlm, const char *config, Error *e)
{
    return invent(vlm, config, true, e);
}

void vlm_close(Vlm *vlm)
{
    tokenizer_close(vlm->tokenizer);
    adapter_free(vlm);
    checkpoint_close(&vlm->checkpoint);
    arena_free(&vlm->arena);
    free(vlm->folder);
    *vlm = (Vlm){0};
}

int64_t rows_scratch(const RowBytes *r, int64_t rows, int64_t longest, bool backward)
{
    const int64_t keys = min_i64(longest * r->rows, r->together ? r->together : INT64_MAX);
    const int64_t sequences = ceil_div(rows * r->rows, max_i64(1, keys));
    return max_i64(gemm_scratch(r->widest),
                   attention_scratch(r->heads * sequences, r->head_width, keys, backward));
}
