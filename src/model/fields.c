/* Fields that several families have: read, checked, and named in every error. Invariant: what is
 * absent gets transformers' default, what is there and not supported is refused. */
#include "model/fields.h"

#include "base/file.h"
#include "base/path.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

Status field_section(const Json *config, const char *key, const json_t **section, Error *e)
{
    const json_t *o = json_object_get(config->root, key);
    *section = NULL;
    if (e->status != OK || !o || json_is_null(o))
        return e->status;
    if (!json_is_object(o))
        return error_set(e, BAD_INPUT, "%s: %s: wanted an object, found %s", config->path, key, json_kind(o));
    *section = o;
    return OK;
}

Status field_text(const Json *config, const json_t *object, const char *where, const char *key,
                  const char *wanted, Error *e)
{
    const char *found;
    json_string_or(config, object, where, key, wanted, &found, e);
    if (e->status == OK && strcmp(found, wanted))
        error_set(e, BAD_INPUT, "%s: %s%s%s: wanted \"%s\", found \"%s\"", config->path, where,
                  *where ? "." : "", key, wanted, found);
    return e->status;
}

Status field_token(const Json *config, const char *key, int64_t vocab, int64_t fallback, int32_t *id,
                   Error *e)
{
    int64_t n = fallback;
    int64_t high = vocab - 1;
    if (fallback < 0)
        json_integer_in(config, config->root, "", key, 0, high, &n, e);
    else
        json_integer_or(config, config->root, "", key, 0, high, fallback, &n, e);
    if (e->status == OK && n > high)
        error_set(e, BAD_INPUT, "%s: %s: absent, and its default %lld is not below vocab_size %lld",
                  config->path, key, (long long)n, (long long)vocab);
    *id = (int32_t)n;
    return e->status;
}

/* FOLDER/NAME, an object; where there is no such file, j->root stays NULL. */
static Status open_object(Json *j, const char *folder, const char *name, Error *e)
{
    char *path = path_join(folder, name, e);
    *j = (Json){0};
    if (e->status == OK && !file_exists(path)) {
        j->path = path;
        return OK;
    }
    json_open(j, path, JSON_SMALL, e);
    if (e->status == OK && !json_is_object(j->root))
        error_set(e, BAD_INPUT, "%s: wanted an object, found %s", path, json_kind(j->root));
    free(path);
    return e->status;
}

Status preprocessor_open(Json *j, const char *folder, Error *e)
{
    const json_t *pictures;
    open_object(j, folder, "preprocessor_config.json", e);
    if (e->status != OK || j->root)
        return e->status;
    json_close(j);
    open_object(j, folder, "processor_config.json", e);
    field_section(j, "image_processor", &pictures, e);
    json_t *inner = e->status == OK ? json_deep_copy(pictures) : NULL;
    if (e->status == OK && pictures && !inner)
        error_set(e, NO_MEMORY, "%s: out of memory", j->path);
    json_decref(j->root);
    j->root = inner;
    return e->status;
}

static Status load_channels(const Json *j, const char *key, const double fallback[3], float out[3], Error *e)
{
    json_t *list = json_object_get(j->root, key);
    if (json_is_null(list))
        list = NULL;
    if (e->status != OK)
        return e->status;
    if (list && (!json_is_array(list) || json_array_size(list) != 3))
        return error_set(e, BAD_INPUT, "%s: %s: wanted a list of 3 numbers, found %s of %zu", j->path, key,
                         json_kind(list), json_array_size(list));
    for (size_t c = 0; c < 3; c++) {
        json_t *v = list ? json_array_get(list, c) : NULL;
        if (list && !json_is_number(v))
            return error_set(e, BAD_INPUT, "%s: %s[%zu]: wanted a number, found %s", j->path, key, c,
                             json_kind(v));
        out[c] = (float)(list ? json_number_value(v) : fallback[c]);
        if (!isfinite(out[c]))
            return error_set(e, BAD_INPUT, "%s: %s[%zu]: wanted a number that float32 has, found %g", j->path,
                             key, c, json_number_value(v));
    }
    return OK;
}

Status preprocessor_steps(Normalise *n, const Json *j, const double mean[3], const double std[3],
                          int64_t resample, Error *e)
{
    const char *const steps[] = {"do_resize", "do_rescale", "do_normalize", "do_convert_rgb"};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        bool on;
        json_bool_or(j, j->root, "", steps[i], true, &on, e);
        if (e->status == OK && !on)
            error_set(e, BAD_INPUT, "%s: %s is false; only pictures that go through all steps are supported",
                      j->path, steps[i]);
    }
    int64_t filter;
    json_integer_or(j, j->root, "", "resample", resample, resample, resample, &filter, e);
    json_real_or(j, j->root, "", "rescale_factor", 1e-9, 1e9, 1.0 / 255, &n->rescale, e);
    load_channels(j, "image_mean", mean, n->mean, e);
    load_channels(j, "image_std", std, n->std, e);
    for (int c = 0; c < 3 && e->status == OK; c++)
        if (!(fabsf(n->std[c]) > 0))
            error_set(e, BAD_INPUT, "%s: image_std[%d]: wanted a number other than 0", j->path, c);
    return e->status;
}
