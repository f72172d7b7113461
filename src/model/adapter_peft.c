/* An adapter's folder in the form of PEFT: adapter_config.json with rank, alpha and targets, and
 * adapter_model.safetensors with base_model.model.MODULE.lora_A.weight and .lora_B.weight of each
 * module. Newer transformers calls some modules by other names (Family.renames): a folder is written
 * with both, and either is read, or both where they agree. (peft 0.14, utils/save_and_load.py) */
#include "model/adapter.h"

#include "base/folder.h"
#include "base/json.h"
#include "base/path.h"
#include "base/word.h"
#include "model/family.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char config_name[] = "adapter_config.json";
static const char weights_name[] = "adapter_model.safetensors";
static const char prefix[] = "base_model.model.";
static const char letters[] = "AB";

/* ---------------------------------------------------------------------------------------- reading */

/* A setting that must be absent, null, false, "none" or empty, because it changes the formula. */
static Status must_be_off(const Json *j, const char *key, Error *e)
{
    const json_t *v = json_object_get(j->root, key);
    const char *text = json_string_value(v);
    const bool off = !v || json_is_null(v) || json_is_false(v) || (text && !strcmp(text, "none")) ||
                     (json_is_object(v) && !json_object_size(v)) || (json_is_array(v) && !json_array_size(v));
    if (e->status != OK || off)
        return e->status;
    return error_set(e, BAD_INPUT, "%s: %s is set; only plain LoRA on linear layers is supported", j->path,
                     key);
}

/* target_modules as words; NULL where they are a pattern. */
static void read_targets(Adapter *a, const Json *j, Error *e)
{
    const json_t *list = json_object_get(j->root, "target_modules");
    const json_t *name;
    size_t i;
    Text words = {0};
    json_array_foreach(list, i, name)
    {
        if (json_string_value(name))
            text_format(&words, e, "%s%s", i ? " " : "", json_string_value(name));
    }
    a->target = words.data;
}

static Status read_config(Adapter *a, const char *folder, Error *e)
{
    static const char *const unsupported[] = {"use_dora",     "fan_in_fan_out",    "modules_to_save",
                                              "rank_pattern", "alpha_pattern",     "bias",
                                              "lora_bias",    "layer_replication", "trainable_token_indices",
                                              "use_qalora",   "target_parameters"};
    Json j;
    const char *type;
    char *path = path_join(folder, config_name, e);
    json_open(&j, path, JSON_SMALL, e);
    if (e->status == OK && !json_is_object(j.root))
        error_set(e, BAD_INPUT, "%s: wanted an object, found %s", path, json_kind(j.root));
    json_string_in(&j, j.root, "", "peft_type", &type, e);
    if (e->status == OK && strcmp(type, "LORA"))
        error_set(e, BAD_INPUT, "%s: peft_type: wanted \"LORA\", found \"%s\"", path, type);
    json_integer_in(&j, j.root, "", "r", 1, 1 << 16, &a->rank, e);
    json_real_or(&j, j.root, "", "lora_alpha", -1e6, 1e6, 8, &a->alpha, e);
    json_real_or(&j, j.root, "", "lora_dropout", 0, 1, 0, &a->dropout, e);
    json_bool_or(&j, j.root, "", "use_rslora", false, &a->rslora, e);
    for (size_t i = 0; i < sizeof unsupported / sizeof *unsupported; i++)
        must_be_off(&j, unsupported[i], e);
    if (e->status == OK)
        read_targets(a, &j, e);
    json_close(&j);
    free(path);
    return e->status;
}

/* Which factor of which module a tensor's name means. */
typedef struct {
    char *weight; /* name of the module's weight in the checkpoint; owned */
    int factor;   /* 0: A, 1: B */
} FactorName;

static Status parse_name(FactorName *f, const Vlm *vlm, const char *path, const char *name, Error *e)
{
    Text t = {0};
    *f = (FactorName){NULL, ends_with(name, ".lora_B.weight")};
    if (e->status == OK &&
        (strncmp(name, prefix, strlen(prefix)) || !(f->factor || ends_with(name, ".lora_A.weight"))))
        return error_set(e, BAD_INPUT,
                         "%s: tensor %s: wanted base_model.model.MODULE.lora_A.weight or .lora_B.weight",
                         path, name);
    const char *module = name + strlen(prefix);
    const size_t length = strlen(module) - strlen(".lora_A.weight");
    for (const Rename *r = vlm->family->renames; r->from && !t.count; r++)
        if (!strncmp(module, r->from, strlen(r->from)) && length > strlen(r->from))
            text_format(&t, e, "%s%.*s.weight", r->to, (int)(length - strlen(r->from)),
                        module + strlen(r->from));
    if (!t.count)
        text_format(&t, e, "%.*s.weight", (int)length, module);
    f->weight = t.data;
    return e->status;
}

/* The number of the module's weight among the parameters; -1 with e set. */
static int64_t find_module(const Vlm *vlm, const char *path, const char *tensor, const char *weight, Error *e)
{
    for (int64_t i = 0; i < vlm->checkpoint.params && e->status == OK; i++) {
        const Param *p = vlm->checkpoint.param[i];
        if (p->linear && !strcmp(p->name, weight))
            return i;
    }
    error_set(e, BAD_INPUT,
              "%s: tensor %s: %s has no linear layer of that name; is the adapter of another model?", path,
              tensor, vlm->folder);
    return -1;
}

/* Values of a factor that was not seen before; the same values where it was, under its other name. */
static Status read_factor(Param *to, const char *path, const Tensor *t, bool seen, Error *e)
{
    char wanted[SHAPE_SIZE], found[SHAPE_SIZE];
    float *values = e->status == OK ? memory_new(to->count, sizeof *values, e) : NULL;
    if (!values)
        return e->status;
    bool same = t->ndim == to->ndim && !memcmp(t->dim, to->dim, (size_t)to->ndim * sizeof *to->dim);
    shape_print(wanted, to->ndim, to->dim, ", ");
    shape_print(found, t->ndim, t->dim, ", ");
    if (!same)
        error_set(e, BAD_INPUT, "%s: tensor %s: wanted shape %s, found %s", path, t->name, wanted, found);
    else if (!tensor_read(t, values))
        error_set(e, BAD_INPUT, "%s: tensor %s: wanted type F32, F16 or BF16, found %s", path, t->name,
                  dtype_name(t->dtype));
    else if (seen && memcmp(values, to->master, (size_t)to->count * sizeof *values))
        error_set(e, BAD_INPUT, "%s: tensor %s differs from the one of the same module under its other name",
                  path, t->name);
    else
        memcpy(to->master, values, (size_t)to->count * sizeof *values);
    free(values);
    return e->status;
}

/* One tensor of the file. seen[params]: 1 for A, 2 for B of each parameter. */
static Status read_tensor(Vlm *vlm, const char *path, const Tensor *t, unsigned char *seen, Error *e)
{
    FactorName name;
    parse_name(&name, vlm, path, t->name, e);
    const int64_t i = find_module(vlm, path, t->name, name.weight, e);
    Param *w = i < 0 ? NULL : vlm->checkpoint.param[i];
    if (w && !w->lora)
        adapter_new_factors(&vlm->adapter, w, e);
    const int bit = 1 << name.factor;
    if (e->status == OK) {
        read_factor(name.factor ? &w->lora->b : &w->lora->a, path, t, seen[i] & bit, e);
        seen[i] = (unsigned char)(seen[i] | bit);
    }
    free(name.weight);
    return e->status;
}

static Status read_weights(Vlm *vlm, const char *folder, Error *e)
{
    SafeTensors file = {0};
    char *path = path_join(folder, weights_name, e);
    unsigned char *seen = memory_new(vlm->checkpoint.params, 1, e);
    safetensors_open(&file, path, e);
    for (int64_t i = 0; i < file.count && e->status == OK; i++)
        read_tensor(vlm, path, file.tensor + i, seen, e);
    for (int64_t i = 0; i < vlm->checkpoint.params && e->status == OK; i++)
        if (seen[i] && seen[i] != 3)
            error_set(e, BAD_INPUT, "%s: lacks lora_%c of %s", path, letters[seen[i] == 1],
                      vlm->checkpoint.param[i]->name);
    if (e->status == OK && !file.count)
        error_set(e, BAD_INPUT, "%s: holds no tensors", path);
    safetensors_close(&file);
    free(seen);
    free(path);
    return e->status;
}

Status adapter_load(Vlm *vlm, const char *folder, Error *e)
{
    if (e->status != OK)
        return e->status;
    read_config(&vlm->adapter, folder, e);
    read_weights(vlm, folder, e);
    return adapter_collect(vlm, e);
}

/* ---------------------------------------------------------------------------------------- writing */

/* A name as newer transformers has it; NULL: it is the same. Owned. */
static char *newer_name(const Vlm *vlm, const char *name, Error *e)
{
    Text t = {0};
    for (const Rename *r = vlm->family->renames; r->from && !t.count; r++)
        if (!strncmp(name, r->to, strlen(r->to)))
            text_format(&t, e, "%s%s", r->from, name + strlen(r->to));
    return t.data;
}

static Status write_weights(const Vlm *vlm, const char *folder, Error *e)
{
    const Adapter *a = &vlm->adapter;
    char *path = path_join(folder, weights_name, e);
    TensorOut *out = memory_new(4 * a->count, sizeof *out, e);
    char **names = memory_new(4 * a->count, sizeof *names, e);
    int64_t count = 0;
    for (int64_t i = 0; i < 2 * a->count && e->status == OK; i++) {
        const Param *p = i % 2 ? &a->lora[i / 2]->b : &a->lora[i / 2]->a;
        char *newer = newer_name(vlm, p->name + strlen(prefix), e);
        TensorOut t = {.name = p->name, .ndim = p->ndim, .data = p->master};
        memcpy(t.dim, p->dim, sizeof t.dim);
        out[count] = t;
        count++;
        if (newer) {
            Text name = {0};
            text_format(&name, e, "%s%s", prefix, newer);
            names[count] = name.data;
            t.name = name.data;
            out[count] = t;
            count++;
        }
        free(newer);
    }
    safetensors_write(path, out, count, e);
    names_free(names, count);
    free(out);
    free(path);
    return e->status;
}

/* Appends the words as a list of names. */
static void put_words(json_t *list, const char *words, Error *e)
{
    for (words += strspn(words, " ,"); *words; words += strspn(words, " ,")) {
        const size_t length = strcspn(words, " ,");
        json_append(list, json_stringn(words, length), e);
        words += length;
    }
}

/* The words that chose the modules, or else every module by its names. */
static json_t *target_modules(const Vlm *vlm, Error *e)
{
    const Adapter *a = &vlm->adapter;
    json_t *list = json_array();
    if (a->target && adapter_is_named_by(vlm, a->target)) {
        put_words(list, a->target, e);
        return list;
    }
    for (int64_t i = 0; i < a->count; i++) {
        const char *name = a->lora[i]->a.name + strlen(prefix);
        const size_t length = strlen(name) - strlen(".lora_A.weight");
        char *newer = newer_name(vlm, name, e);
        json_append(list, json_stringn(name, length), e);
        if (newer)
            json_append(list, json_stringn(newer, strlen(newer) - strlen(".lora_A.weight")), e);
        free(newer);
    }
    return list;
}

/* A real as JSON has it, but an integer where it is one, as PEFT's fields are. */
static json_t *number(double x)
{
    return floor(x) < x ? json_real(x) : json_integer((json_int_t)x);
}

static Status write_config(const Vlm *vlm, const char *folder, Error *e)
{
    const Adapter *a = &vlm->adapter;
    Text text = {0};
    char *path = path_join(folder, config_name, e);
    json_t *o = json_pack(
        "{s:n, s:s, s:s, s:b, s:b, s:b, s:n, s:o, s:o, s:n, s:s, s:I, s:o, s:n, s:b, s:b}", "auto_mapping",
        "base_model_name_or_path", vlm->folder, "bias", "none", "fan_in_fan_out", 0, "inference_mode", 1,
        "init_lora_weights", 1, "layers_to_transform", "lora_alpha", number(a->alpha), "lora_dropout",
        number(a->dropout), "modules_to_save", "peft_type", "LORA", "r", (json_int_t)a->rank,
        "target_modules", target_modules(vlm, e), "task_type", "use_dora", 0, "use_rslora", (int)a->rslora);
    json_print(&text, o, JSON_INDENT(2) | JSON_REAL_PRECISION(9), e);
    text_add(&text, "\n", e);
    file_replace(path, text_string(&text), text.count, e);
    json_decref(o);
    text_free(&text);
    free(path);
    return e->status;
}

Status adapter_save(const Vlm *vlm, const char *folder, Error *e)
{
    folder_make(folder, e);
    write_config(vlm, folder, e);
    return write_weights(vlm, folder, e);
}
