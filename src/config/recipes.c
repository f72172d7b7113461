/* The recipes: presets of [level] with the settings of the published trainer (src/MODEL.md,
 * "Training step"). What the user sets stays.
 *
 * auto has no column: the defaults of keys.c are those of 2025-10 but for the sizes of pictures,
 * which stay those of [image], so that the student learns from what it is asked about. What it fits
 * to the number of pairs is chosen by train/fit.c. */
#include "config/keys.h"

#include <stdio.h>
#include <string.h>

#define FIELD(key) offsetof(Config, level.key)

/* What each recipe sets a key to, in the order of their words; NULL: nothing. */
typedef struct {
    size_t field;
    const char *value[RECIPES]; /* auto, 2025-10, 2024-12, 2024-12-as-run */
} Preset;

/* The DeepSpeed file that the trainer of 2024-12 ships with makes one group of all parameters: one rate,
 * decay on all. Its WarmupLR stands in for the cosine: warm-up, then constant. (There the rate rises with
 * the logarithm of the step, here as everywhere in a line.) */
static const Preset presets[] = {
    {FIELD(epochs), {NULL, "1", "1", "1"}},
    {FIELD(batch), {NULL, "128", "16", "16"}},
    {FIELD(micro_batch), {NULL, "4", "2", "2"}},
    {FIELD(learning_rate), {NULL, "1e-5", "1e-5", "1e-5"}},
    {FIELD(vision_learning_rate), {NULL, "2e-6", "2e-6", "1e-5"}},
    {FIELD(merger_learning_rate), {NULL, "1e-5", "1e-5", "1e-5"}},
    {FIELD(decay), {NULL, "no_bias_norm", "no_bias_norm", "all"}},
    {FIELD(schedule), {NULL, "cosine", "cosine", "constant"}},
    {FIELD(weight_decay), {NULL, "0.1", "0", "0"}},
    {FIELD(beta2), {NULL, "0.999", "0.98", "0.98"}},
    {FIELD(epsilon), {NULL, "1e-8", "1e-7", "1e-7"}},
    {FIELD(warmup_ratio), {NULL, "0.03", "0.03", "0.03"}},
    {FIELD(clip), {NULL, "1", "1", "1"}},
    {FIELD(loss), {NULL, "token", "micro_batch", "micro_batch"}},
    {FIELD(chat_newline), {NULL, "no", "yes", "yes"}},
    {FIELD(min_pixels), {NULL, "401408", "401408", "401408"}},
    {FIELD(max_pixels), {NULL, "1003520", "1003520", "1003520"}},
};

/* With method = lora these come first: the trainer's script for adapters. */
static const Preset lora_presets[] = {
    {FIELD(learning_rate), {"1e-4", "1e-4", "1e-4", "1e-4"}},
    {FIELD(vision_learning_rate), {NULL, NULL, NULL, "1e-4"}},
    {FIELD(merger_learning_rate), {NULL, NULL, NULL, "1e-4"}},
    {FIELD(lora_dropout), {"0.05", "0.05", "0.05", "0.05"}},
};

/* And these, unless the adapter that training starts from has them. */
static const Preset lora_sizes[] = {
    {FIELD(lora_rank), {NULL, "64", "64", "64"}},
    {FIELD(lora_alpha), {NULL, "64", "128", "128"}},
};

/* Gives the keys that are not set their values. */
static Status apply(Config *c, const Preset *list, size_t count, Error *e)
{
    const Place here = {"recipe", "recipe", 0, ""};
    for (size_t i = 0; i < count; i++) {
        const int row = config_row(list[i].field);
        const char *value = list[i].value[c->level.recipe];
        if (value && !c->setting[row].value)
            config_set_row(c, &here, row, value, e);
    }
    return e->status;
}

Status config_apply_recipe(Config *c, Error *e)
{
    if (c->level.method == METHOD_LORA)
        apply(c, lora_presets, sizeof lora_presets / sizeof *lora_presets, e);
    if (c->level.method == METHOD_LORA && !*c->level.lora_init)
        apply(c, lora_sizes, sizeof lora_sizes / sizeof *lora_sizes, e);
    return apply(c, presets, sizeof presets / sizeof *presets, e);
}

/* -------------------------------------------------------------------------- level.recipe = auto */

static const char fitted_origin[] = "auto";

bool config_row_is_fitted(const Config *c, int row)
{
    const size_t field = config_keys[row].field;
    const Setting *s = c->setting + row;
    return c->level.recipe == RECIPE_AUTO && (!s->value || !strcmp(s->origin, fitted_origin)) &&
           (field == FIELD(epochs) || field == FIELD(batch) || field == FIELD(warmup_ratio));
}

bool config_is_fitted(const Config *c, const void *field)
{
    return config_row_is_fitted(c, config_row_of(c, field));
}

Status config_fit(Config *c, const void *field, double value, Error *e)
{
    char text[40];
    const int row = config_row_of(c, field);
    if (e->status != OK || !config_row_is_fitted(c, row))
        return e->status;
    snprintf(text, sizeof text, "%.17g", value);
    config_set_row(c, &(Place){"level.recipe = auto", fitted_origin, 0, ""}, row, text, e);
    config_bind(c);
    return e->status;
}
