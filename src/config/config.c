/* Loading the configuration, in this order: file, command line, recipe, defaults. A value is text
 * with its origin (Setting) until everything is read; then config_bind fills in the fields. What
 * comes later in the order never replaces what an earlier one has set, but for the command line. */
#include "config/ini.h"
#include "config/keys.h"

#include "base/memory.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int key_count(void)
{
    int n = 0;
    while (config_keys[n].name)
        n++;
    return n;
}

/* section.key=value of the command line. */
static Status override(Config *c, const char *text, Error *e)
{
    char section[64];
    char key[64];
    const char *equals = strchr(text, '=');
    const char *dot = strchr(text, '.');
    if (!equals || !dot || dot > equals || dot - text >= (int)sizeof section ||
        equals - dot > (int)sizeof key)
        return error_arguments(e, "%s: wanted section.key=value", text);
    snprintf(section, sizeof section, "%.*s", (int)(dot - text), text);
    snprintf(key, sizeof key, "%.*s", (int)(equals - dot - 1), dot + 1);
    return config_set(c, &(Place){"command line", "command line", 0, ""}, section, key, equals + 1, e);
}

static Status check_pixels(const Config *c, const int64_t *low, const int64_t *high, Error *e)
{
    if (!*high || *low <= *high)
        return e->status;
    return error_set(e, BAD_USAGE, "%s = %lld is more than %s = %lld", config_name(c, low), (long long)*low,
                     config_name(c, high), (long long)*high);
}

/* What no single value shows. */
static Status check_together(const Config *c, Error *e)
{
    const LevelConfig *l = &c->level;
    if (e->status == OK && !config_is_fitted(c, &l->batch) && l->batch % l->micro_batch)
        error_set(e, BAD_USAGE, "%s = %lld does not divide %s = %lld", config_name(c, &l->micro_batch),
                  (long long)l->micro_batch, config_name(c, &l->batch), (long long)l->batch);
    check_pixels(c, &c->image.min_pixels, &c->image.max_pixels, e);
    return check_pixels(c, &l->min_pixels, &l->max_pixels, e);
}

Status config_load(Config *c, const char *path, char *const *overrides, int count, Error *e)
{
    *c = (Config){.path = memory_copy(path, e), .setting = memory_new(key_count(), sizeof *c->setting, e)};
    config_read_file(c, path, e);
    for (int i = 0; i < count && e->status == OK; i++)
        override(c, overrides[i], e);
    if (e->status == OK) {
        config_bind(c);
        config_apply_recipe(c, e);
        config_bind(c);
    }
    check_together(c, e);
    if (e->status != OK)
        config_free(c);
    return e->status;
}

void config_free(Config *c)
{
    for (int i = 0; c->setting && config_keys[i].name; i++)
        free(c->setting[i].value);
    free(c->setting);
    free(c->path);
    *c = (Config){0};
}

int config_row(size_t field)
{
    int row = 0;
    while (config_keys[row].name && config_keys[row].field != field)
        row++;
    assert(config_keys[row].name);
    return row;
}

int config_row_of(const Config *c, const void *field)
{
    return config_row((size_t)((const char *)field - (const char *)c));
}

const char *config_name(const Config *c, const void *field)
{
    return config_keys[config_row_of(c, field)].name;
}

/* The value as it would be written. Borrowed. */
static const char *text_of(const Config *c, int row)
{
    return c->setting[row].value ? c->setting[row].value : config_keys[row].fallback;
}

const char *config_key(const Config *c, int i, const char **text)
{
    if (config_keys[i].name && text)
        *text = config_row_is_fitted(c, i) ? "auto" : text_of(c, i);
    return config_keys[i].name;
}

const char *config_text(const Config *c, const char *key)
{
    int row = 0;
    while (strcmp(config_keys[row].name, key))
        row++;
    return text_of(c, row);
}

bool config_is_given(const Config *c, const void *field)
{
    const Setting *s = c->setting + config_row_of(c, field);
    return s->value && (!strcmp(s->origin, "file") || !strcmp(s->origin, "command line"));
}

Status config_require(const Config *c, const char *const *field, Error *e)
{
    const int row = config_row_of(c, field);
    const char *name = config_keys[row].name;
    if (e->status != OK || **field)
        return e->status;
    return error_set(e, BAD_USAGE, "%s: %s is needed here: %s; set it in [%.*s]", c->path, name,
                     config_keys[row].meaning, (int)strcspn(name, "."), name);
}

/* "key = value", once for each line of the value. */
static void dump_value(Text *out, const char *key, const char *value, Error *e)
{
    do {
        size_t n = strcspn(value, "\n");
        const char *quote = ini_needs_quotes(value, n) ? "\"" : "";
        text_format(out, e, "%s = %s%.*s%s\n", key, quote, (int)n, value, quote);
        value += n + (value[n] == '\n');
    } while (e->status == OK && *value);
}

Status config_dump(const Config *c, Text *out, Error *e)
{
    const char *section = "";
    for (int i = 0; config_keys[i].name && e->status == OK; i++) {
        const Key *k = config_keys + i;
        const Setting *s = c->setting + i;
        const size_t length = strcspn(k->name, ".");
        if (strncmp(section, k->name, length + 1))
            text_format(out, e, "%s[%.*s]\n", *section ? "\n" : "", (int)length, k->name);
        section = k->name;
        const bool fitted = config_row_is_fitted(c, i);
        text_format(out, e, "# %s%s%s%s\n# default: %s; this value: %s\n", k->meaning, k->words ? " (" : "",
                    k->words ? k->words : "", k->words ? ")" : "", *k->fallback ? k->fallback : "none",
                    fitted     ? "none yet, fitted to the number of pairs by level.recipe = auto"
                    : s->value ? s->origin
                               : "default");
        dump_value(out, k->name + length + 1, fitted ? "" : text_of(c, i), e);
    }
    return e->status;
}
