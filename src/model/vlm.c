/* Opening a model: finds the family in config.json, lets it ask for its weights, and reads the
 * files that all families have. Invariant: after a failure everything is closed again. */
#include "model/vlm.h"

#include "base/file.h"
#include "model/family.h"
#include "tensor/gemm.h"
#include "text/chat_template.h"

#include <stdlib.h>
#include <string.h>

static Status find_family(Vlm *vlm, const Json *config, Error *e)
{
    const char *type;
    if (!json_is_object(config->root))
        return error_set(e, BAD_INPUT, "%s: wanted an object, found %s", config->path,
                         json_kind(config->root));
    if (json_string_in(config, config->root, "", "model_type", &type, e) != OK)
        return e->status;
    for (size_t i = 0; families[i]; i++)
        if (!strcmp(type, families[i]->model_type))
            vlm->family = families[i];
    if (vlm->family)
        return OK;
    Text known = {0};
    for (size_t i = 0; families[i]; i++)
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
