/* The recipes: presets of [level] with the settings of the published trainer (src/MODEL.md,
 * "Training step"). What the user sets stays. */
#include "config/keys.h"

#define FIELD(key) offsetof(Config, level.key)

/* One row per key, one column per recipe. */
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
    const int recipe = c->level.recipe;
    for (size_t i = 0; recipe != RECIPE_NONE && i < sizeof presets / sizeof *presets; i++) {
        const int row = config_row(presets[i].field);
        if (!c->setting[row].value)
            config_set_row(c, &here, row, presets[i].value[recipe], e);
    }
    return e->status;
}
