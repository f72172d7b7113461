#include "model/load.h"

#include "base/file.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME = 160 };

Linear load_linear(Checkpoint *c, int64_t out, int64_t in, bool bias, Error *e, const char *name, ...)
{
    char text[NAME];
    va_list list;
    va_start(list, name);
    vsnprintf(text, sizeof text, name, list);
    va_end(list);
    return (Linear){checkpoint_matrix(c, e, out, in, "%s.weight", text),
                    bias ? checkpoint_vector(c, e, out, "%s.bias", text) : NULL};
}

LayerNorm load_layernorm(Checkpoint *c, int64_t width, double eps, Error *e, const char *name, ...)
{
    char text[NAME];
    va_list list;
    va_start(list, name);
    vsnprintf(text, sizeof text, name, list);
    va_end(list);
    return (LayerNorm){checkpoint_vector(c, e, width, "%s.weight", text),
                       checkpoint_vector(c, e, width, "%s.bias", text), (float)eps};
}

const json_t *load_section(const Json *config, const char *key, json_t **keep, Error *e)
{
    json_t *o = json_object_get(config->root, key);
    *keep = NULL;
    if (!o || json_is_null(o))
        o = *keep = json_object();
    if (!o)
        error_set(e, NO_MEMORY, "out of memory");
    else if (!json_is_object(o))
        error_set(e, BAD_INPUT, "%s: %s: wanted an object, found %s", config->path, key, json_kind(o));
    return e->status == OK ? o : NULL;
}

Status load_token(const Json *config, const char *key, int64_t vocab, int64_t fallback, int32_t *id, Error *e)
{
    int64_t n = fallback, high = vocab - 1;
    if (e->status != OK)
        return e->status;
    Status status = fallback < 0 ? json_integer_in(config, config->root, "", key, 0, high, &n, e)
                                 : json_integer_or(config, config->root, "", key, 0, high, fallback, &n, e);
    if (status == OK && n > high)
        status = error_set(e, BAD_INPUT, "%s: %s: absent, and its default %lld is not below vocab_size %lld",
                           config->path, key, (long long)n, (long long)vocab);
    *id = (int32_t)n;
    return status;
}

Status preprocessor_open(Json *j, const char *folder, Error *e)
{
    char *path = path_join(folder, "preprocessor_config.json", e);
    *j = (Json){0};
    Status status = path ? OK : NO_MEMORY;
    if (status == OK && file_exists(path)) {
        if ((status = json_open(j, path, 1 << 20, e)) == OK && !json_is_object(j->root)) {
            status = error_set(e, BAD_INPUT, "%s: wanted an object, found %s", path, json_kind(j->root));
            json_close(j);
        }
        free(path);
        return status;
    }
    *j = (Json){path, path ? json_object() : NULL};
    return path && !j->root ? error_set(e, NO_MEMORY, "out of memory") : status;
}

static Status load_channels(const Json *j, const char *key, const double fallback[3], float out[3], Error *e)
{
    json_t *list = json_object_get(j->root, key);
    if (json_is_null(list))
        list = NULL;
    if (list && (!json_is_array(list) || json_array_size(list) != 3))
        return error_set(e, BAD_INPUT, "%s: %s: wanted a list of 3 numbers, found %s of %zu", j->path, key,
                         json_kind(list), json_array_size(list));
    for (size_t c = 0; c < 3; c++) {
        json_t *v = list ? json_array_get(list, c) : NULL;
        if (list && !json_is_number(v))
            return error_set(e, BAD_INPUT, "%s: %s[%zu]: wanted a number, found %s", j->path, key, c,
                             json_kind(v));
        out[c] = (float)(list ? json_number_value(v) : fallback[c]);
    }
    return OK;
}

Status preprocessor_steps(Normalise *n, const Json *j, const double mean[3], const double std[3],
                          int64_t resample, Error *e)
{
    const char *const steps[] = {"do_resize", "do_rescale", "do_normalize", "do_convert_rgb"};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        bool on;
        if (json_bool_or(j, j->root, "", steps[i], true, &on, e) != OK)
            return e->status;
        if (!on)
            return error_set(e, BAD_INPUT,
                             "%s: %s is false; only pictures that go through all steps are supported",
                             j->path, steps[i]);
    }
    int64_t filter;
    json_integer_or(j, j->root, "", "resample", resample, resample, resample, &filter, e);
    json_real_or(j, j->root, "", "rescale_factor", 1e-9, 1e9, 1.0 / 255, &n->rescale, e);
    if (e->status == OK && load_channels(j, "image_mean", mean, n->mean, e) == OK)
        load_channels(j, "image_std", std, n->std, e);
    for (int c = 0; c < 3; c++)
        if (e->status == OK && !(fabsf(n->std[c]) > 0))
            error_set(e, BAD_INPUT, "%s: image_std[%d]: wanted a number other than 0", j->path, c);
    return e->status;
}

Status add_text(const Vlm *vlm, Ids *ids, const char *text, Error *e)
{
    return tokenizer_encode(vlm->tokenizer, ids, text, strlen(text), e);
}

Status add_user_text(const Vlm *vlm, Ids *ids, const char *text, Error *e)
{
    int64_t before = ids->count;
    Status status = add_text(vlm, ids, text, e);
    for (int64_t i = before; status == OK && i < ids->count; i++)
        if (ids->data[i] == vlm->image)
            status =
                error_set(e, BAD_INPUT, "the text holds the picture token itself (at token %lld); remove it",
                          (long long)(i - before));
    return status;
}

Mat *picture_patches(Run *run, const Picture *const *pictures, int64_t count)
{
    int64_t rows = 0, row = 0;
    for (int64_t i = 0; i < count; i++)
        rows += pictures[i]->rows;
    Mat *pixels = mat_new(run, rows, pictures[0]->cols);
    if (!pixels)
        return NULL;
    pixels->constant = true;
    for (int64_t i = 0; i < count; row += pictures[i++]->rows)
        memcpy(pixels->data + row * pixels->cols, pictures[i]->pixels,
               (size_t)(pictures[i]->rows * pixels->cols) * sizeof(float));
    return pixels;
}
