/* What families share in loading: layers by their names, fields of config.json and
 * preprocessor_config.json, the user's text. */
#ifndef MPA_MODEL_LOAD_H
#define MPA_MODEL_LOAD_H

#include "base/json.h"
#include "image/image.h"
#include "model/picture.h"

/* NAME.weight [out, in] and, with `bias`, NAME.bias [out]. */
Linear load_linear(Checkpoint *c, int64_t out, int64_t in, bool bias, Error *e, const char *name, ...)
    PRINTF_LIKE(6, 7);
/* NAME.weight and NAME.bias [width]. */
LayerNorm load_layernorm(Checkpoint *c, int64_t width, double eps, Error *e, const char *name, ...)
    PRINTF_LIKE(5, 6);

/* The object `key` of config.json; absent or null: an empty one. `keep` holds an empty one
 * alive: json_decref it. NULL after a failure. */
const json_t *load_section(const Json *config, const char *key, json_t **keep, Error *e);
/* A token id below `vocab`; `fallback` < 0: the field must be there. */
Status load_token(const Json *config, const char *key, int64_t vocab, int64_t fallback, int32_t *id,
                  Error *e);

/* FOLDER/preprocessor_config.json, or an empty object where there is none. Owned: json_close. */
Status preprocessor_open(Json *j, const char *folder, Error *e);
/* Its rescale factor, mean and standard deviation. BAD_INPUT also when a step of the processor
 * is switched off or it resamples with another filter than number `resample` of Pillow: no
 * published checkpoint does, and we refuse rather than guess. */
Status preprocessor_steps(Normalise *n, const Json *j, const double mean[3], const double std[3],
                          int64_t resample, Error *e);

/* Appends ids of text of the chat's own. */
Status add_text(const Vlm *vlm, Ids *ids, const char *text, Error *e);
/* The same with text that a user wrote: the picture token in it is an error, because it would be
 * taken for a picture. */
Status add_user_text(const Vlm *vlm, Ids *ids, const char *text, Error *e);

/* The patches of pictures, one after another: [sum of rows, cols]. NULL after a failure. */
Mat *picture_patches(Run *run, const Picture *const *pictures, int64_t count);

#endif
