/* The configuration: an INI file, overridden on the command line.
 *
 * Each key is a field here (`config->level.learning_rate`) and a row in keys.c, which has its type,
 * range, default and meaning. Adding a key is a field and a row. */
#ifndef MPA_CONFIG_CONFIG_H
#define MPA_CONFIG_CONFIG_H

#include "base/log.h"
#include "base/text.h"

/* Choices: the number of a word in its key's row. A key that takes several words is a set of bits,
 * 1u << the number of each word. */
enum { MISSING_ERROR, MISSING_SKIP };
enum { SELECT_PARITY, SELECT_ALL, SELECT_RANDOM, SELECT_UNVERIFIED, SELECT_LABELS };
enum { RECIPE_AUTO, RECIPE_2025_10, RECIPE_2024_12, RECIPE_2024_12_AS_RUN, RECIPES };
enum { METHOD_FULL, METHOD_LORA };
enum { DECAY_NO_BIAS_NORM, DECAY_ALL };
enum { SCHEDULE_COSINE, SCHEDULE_LINEAR, SCHEDULE_CONSTANT };
enum { LOSS_MICRO_BATCH, LOSS_TOKEN };
enum { DTYPE_AS_STUDENT = -1, DTYPE_FLOAT32, DTYPE_BFLOAT16 };
enum { LORA_RANK = 64 };
enum { METRIC_MPA, METRIC_VQA, METRIC_VQA_2015, METRIC_ANLS, METRIC_RELAXED, METRICS };
enum { MODEL_STUDENT, MODEL_ALIGNED, MODEL_TEACHER, MODELS };

/* Pictures index, index + count, index + 2 count, ... */
typedef struct {
    int64_t index, count;
} Shard;

/* [level]. The words of `freeze` are in the order of Part (tensor/param.h). */
typedef struct {
    int recipe, method;
    bool chat_newline;
    int64_t min_pixels, max_pixels; /* 0: as [image] */
    int64_t epochs;
    int64_t batch, micro_batch; /* samples per optimiser step and per pass */
    bool shuffle;
    double learning_rate, vision_learning_rate, merger_learning_rate;
    unsigned freeze;
    int decay, schedule;
    double warmup_ratio, weight_decay, beta1, beta2, epsilon;
    double clip; /* 0: none */
    int loss;
    int64_t lora_rank; /* 0: lora_init's, or LORA_RANK */
    double lora_alpha; /* 0: lora_init's, or the rank */
    double lora_dropout;
    const char *lora_target, *lora_init;
    int64_t save_every;  /* optimiser steps between states from which training resumes; 0: none */
    const char *offload; /* folder of the optimiser's moments; "": they are in memory */
    int dtype;
} LevelConfig;

/* Text is never NULL: "" where nothing is set. Paths are resolved. */
typedef struct {
    struct {
        const char *dir;
        int64_t seed;
        int64_t threads; /* 0: all */
        int64_t memory;  /* bytes; 0: what the machine has */
        int precision;
    } run;
    struct {
        const char *model, *annotations, *answers;
    } teacher;
    struct {
        const char *model, *adapter, *answers;
    } student;
    struct {
        const char *task, *images, *image_root;
        const char *image_map; /* lines OLD=NEW */
        int missing;
        int64_t limit; /* 0: all */
        Shard shard;
    } data;
    struct {
        int64_t min_pixels, max_pixels; /* 0: the checkpoint's */
        bool published, exif;
    } image;
    struct {
        const char *prompt;
        int64_t max_new_tokens;
        int64_t batch; /* 0: chosen from memory */
    } annotate;
    struct {
        const char *suffix;
        int64_t max_new_tokens;
        bool skip_teacher;
        int select;
    } identify;
    LevelConfig level;
    struct {
        const char *questions, *image_root;
        unsigned metric; /* 0: mpa and the task's own */
        unsigned models;
        const char *predictions;
        double holdout; /* part of the pictures; without questions */
    } evaluate;

    char *path;              /* of the file; owned */
    struct Setting *setting; /* where each value comes from; owned */
} Config;

/* Reads the file, then the overrides ("section.key=value"), then fills in the recipe's presets and
 * the defaults. BAD_USAGE names file, line, key and what is allowed. Owned: config_free. */
Status config_load(Config *c, const char *path, char *const *overrides, int count, Error *e);
void config_free(Config *c);

/* BAD_USAGE, with the key's name and meaning, where a text field of c is empty. */
Status config_require(const Config *c, const char *const *field, Error *e);
/* "section.key" of a field of c, whatever its type, for messages. */
const char *config_name(const Config *c, const void *field);

/* Key number i of all, from 0, "section.key", and in *text (which may be NULL) its value as a file
 * would have it; NULL: there are no more. Borrowed. */
const char *config_key(const Config *c, int i, const char **text);
/* The value of one key as text. Borrowed. */
const char *config_text(const Config *c, const char *key);
/* Whether the user has given the field's key a value, in the file or on the command line. */
bool config_is_given(const Config *c, const void *field);
/* Whether level.recipe = auto decides the key of this field of c->level: it is one of those that are
 * fitted to the number of pairs, and nobody has set it. */
bool config_is_fitted(const Config *c, const void *field);
/* Gives such a key its value; another call may give it a new one. Keys that are not fitted stay. */
Status config_fit(Config *c, const void *field, double value, Error *e);

/* Appends every key with value, origin, default and meaning, as an INI file. */
Status config_dump(const Config *c, Text *out, Error *e);

#endif
