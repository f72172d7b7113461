#include "config/set.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/options.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static Status wrong(const Place *at, Error *e, const char *what)
{
    return at->line ? error_set(e, BAD_USAGE, "%s:%d: %s", at->file, at->line, what)
                    : error_set(e, BAD_USAGE, "%s: %s", at->file, what);
}

int config_key(const char *section, const char *key)
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

bool parse_bytes(const char *text, double *value)
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
    case KEY_LINES:
        ok = *v != '=' && strchr(v, '=');
        snprintf(allowed, size, "OLD=NEW");
        break;
    case KEY_TEXT:
    case KEY_PATH: return true;
    }
    return ok && number >= k->low && number <= k->high;
}

Status config_set(Config *c, const Place *at, const char *section, const char *key, const char *value,
                  Error *e)
{
    char text[600], allowed[200];
    int i = config_key(section, key);
    if (i < 0)
        return unknown_key(at, section, key, e);
    const Key *k = config_keys + i;
    size_t n = strlen(value);
    bool quoted = n >= 2 && value[0] == '"' && value[n - 1] == '"';
    char *v = memory_copy_bytes(value + quoted, n - 2 * quoted, e);
    if (!v)
        return NO_MEMORY;
    if (!*v && !*k->fallback) { /* as in a dump: nothing is set */
        free(v);
        free(c->setting[i].value);
        c->setting[i] = (Setting){NULL, "default", 0};
        return OK;
    }
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
    c->setting[i] = (Setting){v, at->origin, at->line};
    return OK;
}
