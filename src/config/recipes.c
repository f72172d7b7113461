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

/* One row per key, one column per recipe that is a preset. */
static const struct {
    size_t field;
    const char *value[RECIPES];
} presets[] = {
    {FIELD(epochs), {[RECIPE_2025_10] = "1", [RECIPE_2024_12] = "1"}},
    {FIELD(batch), {[RECIPE_2025_10] = "128", [RECIPE_2024_12] = "16"}},
    {FIELD(micro_batch), {[RECIPE_2025_10] = "4", [RECIPE_2024_12] = "2"}},
    {FIELD(learning_rate), {[RECIPE_2025_10] = "1e-5", [RECIPE_2024_12] = "1e-5"}},
    {FIELD(vision_learning_rate), {[RECIPE_2025_10] = "2e-6", [RECIPE_2024_12] = "2e-6"}},
    {FIELD(merger_learning_rate), {[RECIPE_2025_10] = "1e-5", [RECIPE_2024_12] = "1e-5"}},
    {FIELD(weight_decay), {[RECIPE_2025_10] = "0.1", [RECIPE_2024_12] = "0"}},
    {FIELD(beta2), {[RECIPE_2025_10] = "0.999", [RECIPE_2024_12] = "0.98"}},
    {FIELD(epsilon), {[RECIPE_2025_10] = "1e-8", [RECIPE_2024_12] = "1e-7"}},
    {FIELD(warmup_ratio), {[RECIPE_2025_10] = "0.03", [RECIPE_2024_12] = "0.03"}},
    {FIELD(clip), {[RECIPE_2025_10] = "1", [RECIPE_2024_12] = "1"}},
    {FIELD(loss), {[RECIPE_2025_10] = "token", [RECIPE_2024_12] = "micro_batch"}},
    {FIELD(chat_newline), {[RECIPE_2025_10] = "no", [RECIPE_2024_12] = "yes"}},
    {FIELD(min_pixels), {[RECIPE_2025_10] = "401408", [RECIPE_2024_12] = "401408"}},
    {FIELD(max_pixels), {[RECIPE_2025_10] = "1003520", [RECIPE_2024_12] = "1003520"}},
};

Status config_apply_recipe(Config *c, Error *e)
{
    const Place here = {"recipe", "recipe", 0, ""};
    for (size_t i = 0; i < sizeof presets / sizeof *presets; i++) {
        const int row = config_row(presets[i].field);
        const char *value = presets[i].value[c->level.recipe];
        if (value && !c->setting[row].value)
            config_set_row(c, &here, row, value, e);
    }
    return e->status;
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
    return config_row_is_fitted(c, config_row((size_t)((const char *)field - (const char *)c)));
}

Status config_fit(Config *c, const void *field, double value, Error *e)
{
    char text[40];
    const int row = config_row((size_t)((const char *)field - (const char *)c));
    if (e->status != OK || !config_row_is_fitted(c, row))
        return e->status;
    snprintf(text, sizeof text, "%.17g", value);
    config_set_row(c, &(Place){"level.recipe = auto", fitted_origin, 0, ""}, row, text, e);
    config_bind(c);
    return e->status;
}
