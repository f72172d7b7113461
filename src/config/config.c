#include "config/config.h"

#include "base/memory.h"
#include "base/options.h"
#include "config/set.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int key_count(void)
{
    int n = 0;
    while (config_keys[n].section)
        n++;
    return n;
}

static Status override(Config *c, const char *text, Error *e)
{
    char section[64], key[64];
    const char *equals = strchr(text, '='), *dot = strchr(text, '.');
    if (!equals || !dot || dot > equals || dot - text >= (int)sizeof section ||
        equals - dot > (int)sizeof key)
        return error_set(e, BAD_USAGE, "%s: wanted section.key=value", text);
    snprintf(section, sizeof section, "%.*s", (int)(dot - text), text);
    snprintf(key, sizeof key, "%.*s", (int)(equals - dot - 1), dot + 1);
    return config_set(c, &(Place){"command line", "command line", 0, ""}, section, key, equals + 1, e);
}

/* The published trainer's settings (models of October 2025 and December 2024); what the user
 * sets himself stays. */
static Status apply_recipe(Config *c, Error *e)
{
    static const struct {
        const char *recipe, *key, *value;
    } presets[] = {
        {"2025-10", "epochs", "1"},
        {"2025-10", "batch", "128"},
        {"2025-10", "micro_batch", "4"},
        {"2025-10", "learning_rate", "1e-5"},
        {"2025-10", "vision_learning_rate", "2e-6"},
        {"2025-10", "merger_learning_rate", "1e-5"},
        {"2025-10", "weight_decay", "0.1"},
        {"2025-10", "beta2", "0.999"},
        {"2025-10", "epsilon", "1e-8"},
        {"2025-10", "warmup_ratio", "0.03"},
        {"2025-10", "clip", "1"},
        {"2025-10", "loss", "token"},
        {"2025-10", "chat_newline", "no"},
        {"2025-10", "min_pixels", "401408"},
        {"2025-10", "max_pixels", "1003520"},
        {"2024-12", "epochs", "1"},
        {"2024-12", "batch", "16"},
        {"2024-12", "micro_batch", "2"},
        {"2024-12", "learning_rate", "1e-5"},
        {"2024-12", "vision_learning_rate", "2e-6"},
        {"2024-12", "merger_learning_rate", "1e-5"},
        {"2024-12", "weight_decay", "0"},
        {"2024-12", "beta2", "0.98"},
        {"2024-12", "epsilon", "1e-7"},
        {"2024-12", "warmup_ratio", "0.03"},
        {"2024-12", "clip", "1"},
        {"2024-12", "loss", "micro_batch"},
        {"2024-12", "chat_newline", "yes"},
        {"2024-12", "min_pixels", "401408"},
        {"2024-12", "max_pixels", "1003520"},
    };
    const char *recipe = config_text(c, "level.recipe");
    for (size_t i = 0; i < sizeof presets / sizeof *presets; i++) {
        int k = config_key("level", presets[i].key);
        if (strcmp(presets[i].recipe, recipe) || c->setting[k].value)
            continue;
        if (config_set(c, &(Place){"recipe", "recipe", 0, ""}, "level", presets[i].key, presets[i].value,
                       e) != OK)
            return e->status;
    }
    return OK;
}

/* BAD_USAGE with the place where the key was set. */
static Status refuse(const Config *c, const char *section, const char *key, const char *why, Error *e)
{
    const Setting *s = c->setting + config_key(section, key);
    return s->line ? error_set(e, BAD_USAGE, "%s:%d: %s.%s = %s: %s", c->path, s->line, section, key,
                               s->value, why)
                   : error_set(e, BAD_USAGE, "%s: %s.%s = %s: %s", s->origin, section, key, s->value, why);
}

/* What single values cannot show. */
static Status check_together(const Config *c, Error *e)
{
    if (config_is(c, "level.method", "lora"))
        return refuse(c, "level", "method", "not available yet; allowed: full", e);
    if (config_given(c, "level.offload"))
        return refuse(c, "level", "offload", "not available yet; leave it out", e);
    if (config_integer(c, "level.batch") % config_integer(c, "level.micro_batch"))
        return error_set(e, BAD_USAGE, "level.micro_batch = %lld does not divide level.batch = %lld",
                         (long long)config_integer(c, "level.micro_batch"),
                         (long long)config_integer(c, "level.batch"));
    const char *const sections[] = {"image", "level"};
    for (int i = 0; i < 2; i++) {
        char low[40], high[40];
        snprintf(low, sizeof low, "%s.min_pixels", sections[i]);
        snprintf(high, sizeof high, "%s.max_pixels", sections[i]);
        if (config_integer(c, high) && config_integer(c, low) > config_integer(c, high))
            return error_set(e, BAD_USAGE, "%s = %lld is more than %s = %lld", low,
                             (long long)config_integer(c, low), high, (long long)config_integer(c, high));
    }
    return OK;
}

Status config_load(Config *c, const char *path, char *const *overrides, int count, Error *e)
{
    *c = (Config){memory_copy(path, e), memory_new(key_count(), sizeof *c->setting, e)};
    Status status = c->path && c->setting ? config_read_file(c, path, e) : NO_MEMORY;
    for (int i = 0; i < count && status == OK; i++)
        status = override(c, overrides[i], e);
    if (status == OK && config_given(c, "level.recipe"))
        status = apply_recipe(c, e);
    if (status == OK)
        status = check_together(c, e);
    if (status != OK)
        config_free(c);
    return status;
}

void config_free(Config *c)
{
    for (int i = 0; c->setting && config_keys[i].section; i++)
        free(c->setting[i].value);
    free(c->setting);
    free(c->path);
    *c = (Config){0};
}

static int index_of(const char *name)
{
    char section[64];
    const char *dot = strchr(name, '.');
    snprintf(section, sizeof section, "%.*s", (int)(dot - name), name);
    int i = config_key(section, dot + 1);
    assert(i >= 0);
    return i;
}

const char *config_text(const Config *c, const char *name)
{
    int i = index_of(name);
    return c->setting[i].value ? c->setting[i].value : config_keys[i].fallback;
}

int64_t config_integer(const Config *c, const char *name)
{
    double v = 0;
    parse_bytes(config_text(c, name), &v);
    return (int64_t)v;
}

double config_real(const Config *c, const char *name)
{
    double v = 0;
    parse_real(config_text(c, name), &v);
    return v;
}

bool config_bool(const Config *c, const char *name)
{
    const char *v = config_text(c, name);
    return !strcmp(v, "yes") || !strcmp(v, "true");
}

bool config_is(const Config *c, const char *name, const char *choice)
{
    const char *v = config_text(c, name);
    for (; *(v += strspn(v, " ,")); v += strcspn(v, " ,"))
        if (strcspn(v, " ,") == strlen(choice) && !strncmp(v, choice, strlen(choice)))
            return true;
    return false;
}

bool config_given(const Config *c, const char *name)
{
    return c->setting[index_of(name)].value != NULL;
}

Status config_require(const Config *c, const char *name, Error *e)
{
    int i = index_of(name);
    if (*config_text(c, name))
        return OK;
    return error_set(e, BAD_USAGE, "%s: %s is needed here: %s; set it in [%s]", c->path, name,
                     config_keys[i].meaning, config_keys[i].section);
}

/* "key = value", once for each line of the value. */
static bool dump_value(Text *out, const char *key, const char *value, Error *e)
{
    bool ok = true;
    do {
        size_t n = strcspn(value, "\n");
        ok = text_format(out, e, "%s = %.*s\n", key, (int)n, value);
        value += n + (value[n] == '\n');
    } while (ok && *value);
    return ok;
}

Status config_dump(const Config *c, Text *out, Error *e)
{
    const char *section = "";
    for (int i = 0; config_keys[i].section; i++) {
        const Key *k = config_keys + i;
        const Setting *s = c->setting + i;
        if (strcmp(section, k->section) && !text_format(out, e, "%s[%s]\n", *section ? "\n" : "", k->section))
            return NO_MEMORY;
        section = k->section;
        if (!text_format(out, e, "# %s%s%s%s\n# default: %s; this value: %s\n", k->meaning,
                         k->choices ? " (" : "", k->choices ? k->choices : "", k->choices ? ")" : "",
                         *k->fallback ? k->fallback : "none", s->value ? s->origin : "default"))
            return NO_MEMORY;
        if (!dump_value(out, k->key, s->value ? s->value : k->fallback, e))
            return NO_MEMORY;
    }
    return OK;
}
