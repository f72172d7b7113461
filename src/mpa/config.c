#include "mpa/config.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/options.h"

#include <assert.h>
#include <ctype.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LINE = 190, MAX_FILE = 1 << 20 }; /* inih cuts longer lines silently, so they are refused before it sees them */

/* Where a value comes from, for messages: file and line, or the command line (line 0). */
typedef struct {
    const char *file, *origin;
    int line;
    const char *folder; /* that relative paths start from; "" : the working folder */
} Place;

static Status wrong(const Place *at, Error *e, const char *what)
{
    return at->line ? error_set(e, BAD_USAGE, "%s:%d: %s", at->file, at->line, what) : error_set(e, BAD_USAGE, "%s: %s", at->file, what);
}

static int key_count(void)
{
    int n = 0;
    while (config_keys[n].section)
        n++;
    return n;
}

static int key_find(const char *section, const char *key)
{
    for (int i = 0; config_keys[i].section; i++)
        if (!strcmp(config_keys[i].section, section) && !strcmp(config_keys[i].key, key))
            return i;
    return -1;
}

static Status unknown_key(const Place *at, const char *section, const char *key, Error *e)
{
    const char *words[128];
    char text[400];
    int n = 0;
    bool known = false;
    for (int i = 0; config_keys[i].section; i++)
        known |= !strcmp(config_keys[i].section, section);
    for (int i = 0; config_keys[i].section && n < 127; i++) {
        if (known && !strcmp(config_keys[i].section, section))
            words[n++] = config_keys[i].key;
        else if (!known && (!n || strcmp(words[n - 1], config_keys[i].section)))
            words[n++] = config_keys[i].section;
    }
    words[n] = NULL;
    const char *near = nearest_word(known ? key : section, words);
    int used = known ? snprintf(text, sizeof text, "unknown key %.60s in [%.40s]", key, section)
                     : snprintf(text, sizeof text, "unknown section [%.40s]", section);
    if (near)
        used += snprintf(text + used, sizeof text - (size_t)used, "; did you mean %s?", near);
    used += snprintf(text + used, sizeof text - (size_t)used, " (allowed:");
    for (int i = 0; i < n && used < (int)sizeof text - 40; i++)
        used += snprintf(text + used, sizeof text - (size_t)used, " %s", words[i]);
    snprintf(text + used, sizeof text - (size_t)used, ")");
    return wrong(at, e, text);
}

/* "4096", "24G": bytes. */
static bool parse_bytes(const char *text, double *value)
{
    char number[40];
    size_t n = strlen(text);
    double unit = 1;
    if (!n || n >= sizeof number)
        return false;
    memcpy(number, text, n + 1);
    const char *units = "KMG", *u = strchr(units, toupper((unsigned char)text[n - 1]));
    if (u && *u) {
        number[n - 1] = 0;
        for (const char *k = units; k <= u; k++)
            unit *= 1024;
    }
    bool ok = parse_real(number, value);
    *value *= unit;
    return ok;
}

static bool is_word_of(const char *word, size_t length, const char *list)
{
    while (*list) {
        size_t n = strcspn(list, " ");
        if (n == length && !memcmp(list, word, n))
            return true;
        list += n;
        list += strspn(list, " ");
    }
    return false;
}

static bool all_words_of(const char *text, const char *list)
{
    while (*(text += strspn(text, " ,"))) {
        size_t n = strcspn(text, " ,");
        if (!is_word_of(text, n, list))
            return false;
        text += n;
    }
    return true;
}

static bool is_shard(const char *text)
{
    int64_t i, n;
    char copy[40];
    const char *slash = strchr(text, '/');
    if (!slash || strlen(text) >= sizeof copy)
        return false;
    snprintf(copy, sizeof copy, "%.*s", (int)(slash - text), text);
    return parse_integer(copy, &i) && parse_integer(slash + 1, &n) && i >= 0 && i < n;
}

/* Whether the value fits the key; `allowed` receives what would. */
static bool value_fits(const Key *k, const char *v, char *allowed, size_t size)
{
    double number = 0;
    int64_t integer = 0;
    bool ok = true;
    snprintf(allowed, size, "%s", k->choices ? k->choices : "");
    switch (k->type) {
    case KEY_INTEGER:
        ok = parse_integer(v, &integer);
        number = (double)integer;
        snprintf(allowed, size, "an integer from %.0f to %.0f", k->low, k->high);
        break;
    case KEY_REAL:
        ok = parse_real(v, &number);
        snprintf(allowed, size, "a number from %g to %g", k->low, k->high);
        break;
    case KEY_BYTES:
        ok = parse_bytes(v, &number);
        snprintf(allowed, size, "a number of bytes, with K, M or G");
        break;
    case KEY_BOOL:
        ok = is_word_of(v, strlen(v), "yes no true false");
        snprintf(allowed, size, "yes or no");
        break;
    case KEY_CHOICE: ok = *v && is_word_of(v, strlen(v), k->choices); break;
    case KEY_WORDS: ok = all_words_of(v, k->choices); break;
    case KEY_SHARD:
        ok = is_shard(v);
        snprintf(allowed, size, "i/n with 0 <= i < n");
        break;
    case KEY_TEXT:
    case KEY_LINES:
    case KEY_PATH: return true;
    }
    return ok && number >= k->low && number <= k->high;
}

static Status set(Config *c, const Place *at, const char *section, const char *key, const char *value, Error *e)
{
    char text[600], allowed[200];
    int i = key_find(section, key);
    if (i < 0)
        return unknown_key(at, section, key, e);
    const Key *k = config_keys + i;
    size_t n = strlen(value);
    bool quoted = n >= 2 && value[0] == '"' && value[n - 1] == '"';
    char *v = memory_copy_bytes(value + quoted, n - 2 * quoted, e);
    if (!v)
        return NO_MEMORY;
    if (!value_fits(k, v, allowed, sizeof allowed)) {
        snprintf(text, sizeof text, "%s.%s = %.100s: allowed: %s", section, key, v, allowed);
        free(v);
        return wrong(at, e, text);
    }
    if (k->type == KEY_PATH && *v) {
        char *joined = path_join(at->folder, v, e);
        free(v);
        if (!(v = joined))
            return NO_MEMORY;
    }
    if (k->type == KEY_LINES && c->setting[i].value) {
        Text lines = {0};
        bool ok = text_format(&lines, e, "%s\n%s", c->setting[i].value, v);
        free(v);
        if (!ok)
            return NO_MEMORY;
        v = lines.data;
    }
    free(c->setting[i].value);
    c->setting[i] = (Setting){v, at->origin};
    return OK;
}

/* Line numbers of the lines that inih will report, in its order. */
typedef struct {
    Config *config;
    Place at;
    const int *line;
    int next, lines;
    Error *error;
} Reader;

static int on_pair(void *user, const char *section, const char *key, const char *value)
{
    Reader *r = user;
    if (r->error->status != OK || r->next >= r->lines)
        return 1;
    r->at.line = r->line[r->next++];
    set(r->config, &r->at, section, key, value, r->error);
    return 1;
}

/* Refuses what inih would misread; collects the lines that hold a key. */
static Status scan(const Text *text, const char *path, int *line, int *lines, Error *e)
{
    int number = 1;
    *lines = 0;
    if (text->count && memchr(text->data, 0, text->count))
        return error_set(e, BAD_USAGE, "%s: holds a NUL byte; is it a text file?", path);
    for (const char *p = text_string(text); *p; number++) {
        size_t n = strcspn(p, "\n");
        size_t blank = strspn(p, " \t\r");
        if (n > MAX_LINE)
            return error_set(e, BAD_USAGE, "%s:%d: the line has %zu bytes; at most %d are read (long texts go into files)", path, number, n,
                             (int)MAX_LINE);
        bool empty = blank >= n || p[blank] == '#' || p[blank] == ';';
        if (!empty && blank)
            return error_set(e, BAD_USAGE, "%s:%d: the line is indented; keys start at the line's beginning", path, number);
        if (!empty && *p != '[') {
            if (!memchr(p, '=', n))
                return error_set(e, BAD_USAGE, "%s:%d: wanted [section], key = value, or a comment (# or ;)", path, number);
            line[(*lines)++] = number;
        } else if (!empty && !memchr(p, ']', n)) {
            return error_set(e, BAD_USAGE, "%s:%d: the section name lacks its ]", path, number);
        }
        p += n + (p[n] == '\n');
    }
    return OK;
}

static Status read_file(Config *c, const char *path, Error *e)
{
    Text text = {0};
    char *folder = path_folder(path, e);
    Status status = folder ? file_read(&text, path, MAX_FILE, e) : NO_MEMORY;
    if (status == BAD_INPUT)
        status = e->status = BAD_USAGE; /* a wrong configuration file is wrong usage */
    int *line = status == OK ? memory_new((int64_t)text.count + 1, sizeof *line, e) : NULL;
    if (status == OK && !line)
        status = NO_MEMORY;
    Reader r = {c, {path, "file", 0, strcmp(folder ? folder : ".", ".") ? folder : ""}, line, 0, 0, e};
    if (status == OK)
        status = scan(&text, path, line, &r.lines, e);
    if (status == OK) {
        int bad = ini_parse_string(text_string(&text), on_pair, &r);
        status = e->status;
        if (status == OK && bad)
            status = error_set(e, BAD_USAGE, "%s:%d: cannot be read as an INI file", path, bad);
    }
    free(line);
    free(folder);
    text_free(&text);
    return status;
}

static Status override(Config *c, const char *text, Error *e)
{
    char section[64], key[64];
    const char *equals = strchr(text, '='), *dot = strchr(text, '.');
    if (!equals || !dot || dot > equals || dot - text >= (int)sizeof section || equals - dot > (int)sizeof key)
        return error_set(e, BAD_USAGE, "%s: wanted section.key=value", text);
    snprintf(section, sizeof section, "%.*s", (int)(dot - text), text);
    snprintf(key, sizeof key, "%.*s", (int)(equals - dot - 1), dot + 1);
    return set(c, &(Place){"command line", "command line", 0, ""}, section, key, equals + 1, e);
}

/* The published trainer's settings (models of October 2025 and December 2024); what the user sets himself stays. */
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
        int k = key_find("level", presets[i].key);
        if (strcmp(presets[i].recipe, recipe) || c->setting[k].value)
            continue;
        if (set(c, &(Place){"recipe", "recipe", 0, ""}, "level", presets[i].key, presets[i].value, e) != OK)
            return e->status;
    }
    return OK;
}

/* What single values cannot show. */
static Status check_together(const Config *c, Error *e)
{
    if (config_is(c, "level.method", "lora"))
        return error_set(e, BAD_USAGE, "level.method = lora is not available yet; use full");
    if (config_given(c, "level.offload") && *config_text(c, "level.offload"))
        return error_set(e, BAD_USAGE, "level.offload is not available yet; leave it out");
    if (config_integer(c, "level.batch") % config_integer(c, "level.micro_batch"))
        return error_set(e, BAD_USAGE, "level.micro_batch = %lld does not divide level.batch = %lld",
                         (long long)config_integer(c, "level.micro_batch"), (long long)config_integer(c, "level.batch"));
    const char *const sections[] = {"image", "level"};
    for (int i = 0; i < 2; i++) {
        char low[40], high[40];
        snprintf(low, sizeof low, "%s.min_pixels", sections[i]);
        snprintf(high, sizeof high, "%s.max_pixels", sections[i]);
        if (config_integer(c, high) && config_integer(c, low) > config_integer(c, high))
            return error_set(e, BAD_USAGE, "%s = %lld is more than %s = %lld", low, (long long)config_integer(c, low), high,
                             (long long)config_integer(c, high));
    }
    return OK;
}

Status config_load(Config *c, const char *path, char *const *overrides, int count, Error *e)
{
    *c = (Config){memory_copy(path, e), memory_new(key_count(), sizeof *c->setting, e)};
    Status status = c->path && c->setting ? read_file(c, path, e) : NO_MEMORY;
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
    int i = key_find(section, dot + 1);
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
    return error_set(e, BAD_USAGE, "%s: %s is needed here: %s; set it in [%s]", c->path, name, config_keys[i].meaning, config_keys[i].section);
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
        if (!text_format(out, e, "# %s%s%s%s; default: %s\n%s = %s\n", k->meaning, k->choices ? " (" : "", k->choices ? k->choices : "",
                         k->choices ? ")" : "", *k->fallback ? k->fallback : "none", k->key, s->value ? s->value : k->fallback))
            return NO_MEMORY;
        if (s->value && !text_format(out, e, "# (from: %s)\n", s->origin))
            return NO_MEMORY;
    }
    return OK;
}
