/* Fields of config.json and preprocessor_config.json that several families have. */
#ifndef MPA_MODEL_FIELDS_H
#define MPA_MODEL_FIELDS_H

#include "base/json.h"
#include "image/image.h"

/* The object `key` of config.json. Absent or null: *section becomes NULL, in which every field
 * counts as absent. Borrowed. */
Status field_section(const Json *config, const char *key, const json_t **section, Error *e);
/* A field of `object`, which is called `where` ("": the root), that must be `wanted` where it is there. */
Status field_text(const Json *config, const json_t *object, const char *where, const char *key,
                  const char *wanted, Error *e);
/* A token id below `vocab`; `fallback` < 0: the field must be there. */
Status field_token(const Json *config, const char *key, int64_t vocab, int64_t fallback, int32_t *id,
                   Error *e);

/* Opens FOLDER/preprocessor_config.json, or what processor_config.json says of pictures (transformers 5:
 * image_processor); where there is neither, every field counts as absent. Owned: json_close. */
Status preprocessor_open(Json *j, const char *folder, Error *e);
/* Reads its rescale factor, mean and standard deviation. `resample`: the only filter allowed, by
 * Pillow's number. BAD_INPUT: another filter, or a step of the processor that is switched off. No
 * published checkpoint has either, and we refuse rather than guess. */
Status preprocessor_steps(Normalise *n, const Json *j, const double mean[3], const double std[3],
                          int64_t resample, Error *e);

#endif
