/* Giving one key its value: which keys there are, which values fit, what to say about one that
 * does not; and the fields that the values become. */
#include "config/ini.h"
#include "config/keys.h"

#include "base/path.h"
#include "base/word.h"
#include "base/memory.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------------------------ the values */

/* "4096", "24G": bytes. */
static bool parse_bytes(const char *text, double *value)
{
    char number[40];
    size_t n = strlen(text);
    double unit = 1;
    *value = 0;
    if (!n || n >= sizeof number)
        return false;
    memcpy(number, text, n + 1);
    const char *units = "KMG";
    const char *u = strchr(units, toupper((unsigned char)text[n - 1]));
    if (u && *u) {
        number[n - 1] = 0;
        for (const char *k = units; k <= u; k++)
            unit *= 1024;
    }
    bool ok = parse_real(number, value);
    *value *= unit;
    return ok;
}

/* The number of the word among the words, which spaces separate; -1: it is none of them. */
static int word_number(const char *word, size_t length, const char *words)
{
    for (int i = 0; *words; i++) {
        size_t n = strcspn(words, " ");
        if (n == length && !memcmp(words, word, n))
            return i;
        words += n;
        words += strspn(words, " ");
    }
    return -1;
}

/* The words of the text, separated by spaces or commas, as bits. */
static bool parse_words(const char *text, const char *words, unsigned *bits)
{
    *bits = 0;
    for (text += strspn(text, " ,"); *text; text += strspn(text, " ,")) {
        size_t n = strcspn(text, " ,");
        int i = word_number(text, n, words);
        if (i < 0)
            return false;
        *bits |= 1u << i;
        text += n;
    }
    return true;
}

static bool parse_shard(const char *text, Shard *s)
{
    char index[40];
    const char *slash = strchr(text, '/');
    if (!slash || strlen(text) >= sizeof index)
        return false;
    snprintf(index, sizeof index, "%.*s", (int)(slash - text), text);
    return parse_integer(index, &s->index) && parse_integer(slash + 1, &s->count) && s->index >= 0 &&
           s->index < s->count;
}

static bool is_true(const char *text)
{
    return !strcmp(text, "yes") || !strcmp(text, "true");
}

static bool is_name(const Key *k, const char *text)
{
    return word_number(text, strlen(text), k->words) >= 0;
}

/* A value of any type. */
typedef union {
    const char *text;
    int64_t integer;
    double real;
    bool flag;
    int choice;
    unsigned bits;
    Shard shard;
} Value;

/* The value that the text stands for; false: it does not fit the key. */
static bool parse(const Key *k, const char *text, Value *v)
{
    double number = 0;
    switch (k->type) {
    case KEY_TEXT:
    case KEY_PATH: v->text = text; return true;
    case KEY_LINES: v->text = text; return !*text || (*text != '=' && strchr(text, '='));
    case KEY_NAME: v->text = text; return is_name(k, text) || ends_with(text, ".ini");
    case KEY_INTEGER:
        if (!parse_integer(text, &v->integer))
            return false;
        return (double)v->integer >= k->low && (double)v->integer <= k->high;
    case KEY_BYTES:
        if (!parse_bytes(text, &number) || number < k->low || number > k->high)
            return false;
        v->integer = (int64_t)number;
        return true;
    case KEY_REAL: return parse_real(text, &v->real) && v->real >= k->low && v->real <= k->high;
    case KEY_BOOL: v->flag = is_true(text); return word_number(text, strlen(text), "yes no true false") >= 0;
    case KEY_CHOICE: v->choice = word_number(text, strlen(text), k->words); return *text && v->choice >= 0;
    case KEY_WORDS: return parse_words(text, k->words, &v->bits);
    case KEY_SHARD: return parse_shard(text, &v->shard);
    case KEY_TYPES: break;
    }
    return false;
}

/* Appends what the key takes, for a message. */
static void describe_allowed(Text *text, const Key *k, Error *e)
{
    static const char *const forms[KEY_TYPES] = {[KEY_BYTES] = "a number of bytes, with K, M or G",
                                                 [KEY_BOOL] = "yes or no",
                                                 [KEY_SHARD] = "i/n with 0 <= i < n",
                                                 [KEY_LINES] = "OLD=NEW"};
    if (k->type == KEY_INTEGER)
        text_format(text, e, "an integer from %.0f to %.0f", k->low, k->high);
    else if (k->type == KEY_REAL)
        text_format(text, e, "a number from %g to %g", k->low, k->high);
    else
        text_format(text, e, "%s%s", k->words ? k->words : forms[k->type],
                    k->type == KEY_NAME ? " FILE.ini" : "");
}

/* ------------------------------------------------------------------------------------ the fields */

static size_t field_size(KeyType type)
{
    const Value v = {0};
    switch (type) {
    case KEY_TEXT:
    case KEY_LINES:
    case KEY_PATH:
    case KEY_NAME: return sizeof v.text;
    case KEY_INTEGER:
    case KEY_BYTES: return sizeof v.integer;
    case KEY_REAL: return sizeof v.real;
    case KEY_BOOL: return sizeof v.flag;
    case KEY_CHOICE: return sizeof v.choice;
    case KEY_WORDS: return sizeof v.bits;
    case KEY_SHARD: return sizeof v.shard;
    case KEY_TYPES: break;
    }
    return 0;
}

/* Without a value and a default: no text, no choice, no words, all pictures. */
static Value nothing(KeyType type)
{
    if (type == KEY_CHOICE)
        return (Value){.choice = -1};
    return type == KEY_SHARD ? (Value){.shard = {0, 1}} : (Value){.text = ""};
}

void config_bind(Config *c)
{
    for (int i = 0; config_keys[i].name; i++) {
        const Key *k = config_keys + i;
        const char *text = c->setting[i].value ? c->setting[i].value : k->fallback;
        Value v = {0};
        bool fits = *text ? parse(k, text, &v) : true;
        if (!*text && k->type != KEY_WORDS)
            v = nothing(k->type);
        assert(fits && field_size(k->type) == k->size);
        if (fits)
            memcpy((char *)c + k->field, &v, k->size);
    }
}

/* ---------------------------------------------------------------------------------- setting a key */

static Status wrong(const Place *at, const char *what, Error *e)
{
    return at->line ? error_set(e, BAD_USAGE, "%s:%d: %s", at->file, at->line, what)
                    : error_set(e, BAD_USAGE, "%s: %s", at->file, what);
}

/* Whether the name of a row begins with "section.". */
static bool is_in(const Key *k, const char *section)
{
    size_t n = strlen(section);
    return !strncmp(k->name, section, n) && k->name[n] == '.';
}

/* The keys of the section; where there is no such section, the sections. */
static bool list_words(const char *section, const char **words, char (*copies)[40], int capacity)
{
    int n = 0;
    bool known = false;
    for (const Key *k = config_keys; k->name; k++)
        known |= is_in(k, section);
    for (const Key *k = config_keys; k->name && n < capacity; k++) {
        const size_t length = strcspn(k->name, ".");
        if (known && is_in(k, section)) {
            words[n] = k->name + length + 1;
            n++;
        } else if (!known && (k == config_keys || strncmp(k[-1].name, k->name, length + 1))) {
            snprintf(copies[n], sizeof copies[n], "%.*s", (int)length, k->name);
            words[n] = copies[n];
            n++;
        }
    }
    words[n] = NULL;
    return known;
}

static Status unknown_key(const Place *at, const char *section, const char *key, Error *e)
{
    enum { WORDS = 64 };
    const char *words[WORDS + 1];
    char copies[WORDS][40];
    Text text = {0};
    bool known = list_words(section, words, copies, WORDS);
    const char *near = nearest_word(known ? key : section, words);
    if (known)
        text_format(&text, e, "unknown key %s in [%s]", key, section);
    else
        text_format(&text, e, "unknown section [%s]", section);
    if (near)
        text_format(&text, e, "; did you mean %s?", near);
    text_add(&text, " (allowed:", e);
    for (int i = 0; words[i]; i++)
        text_format(&text, e, " %s", words[i]);
    text_add(&text, ")", e);
    wrong(at, text_string(&text), e);
    text_free(&text);
    return e->status;
}

static bool is_number(const Key *k)
{
    return k->type == KEY_INTEGER || k->type == KEY_REAL;
}

/* The value as the setting keeps it: a path resolved, a line behind the lines before it. Owned;
 * NULL without memory. */
static char *kept_value(const Key *k, const Setting *before, const Place *at, const char *value, Error *e)
{
    if (*value && (k->type == KEY_PATH || (k->type == KEY_NAME && !is_name(k, value))))
        return path_join(at->folder, value, e);
    if (k->type != KEY_LINES || !before->value)
        return memory_copy(value, e);
    Text lines = {0};
    text_format(&lines, e, "%s\n%s", before->value, value);
    return lines.data;
}

Status config_set_row(Config *c, const Place *at, int row, const char *value, Error *e)
{
    const Key *k = config_keys + row;
    Setting *s = c->setting + row;
    Value parsed = {0};
    if (e->status != OK)
        return e->status;
    const bool none = !*value && (!*k->fallback || is_number(k)); /* as in a dump: nothing is set */
    if (!none && !parse(k, value, &parsed)) {
        Text text = {0};
        text_format(&text, e, "%s = %s: allowed: ", k->name, value);
        describe_allowed(&text, k, e);
        wrong(at, text_string(&text), e);
        text_free(&text);
        return e->status;
    }
    char *kept = none ? NULL : kept_value(k, s, at, value, e);
    if (e->status == OK) {
        free(s->value);
        *s = none ? (Setting){NULL, "default", 0} : (Setting){kept, at->origin, at->line};
    }
    return e->status;
}

/* A path or word with such a character is a mistake, and would be shown on a terminal. */
static bool has_control(const char *value)
{
    for (; *value; value++)
        if (((unsigned char)*value < 32 && *value != '\t') || *value == 127)
            return true;
    return false;
}

Status config_set(Config *c, const Place *at, const char *section, const char *key, const char *value,
                  Error *e)
{
    int row = 0;
    while (config_keys[row].name &&
           !(is_in(config_keys + row, section) && !strcmp(strchr(config_keys[row].name, '.') + 1, key)))
        row++;
    if (!config_keys[row].name)
        return unknown_key(at, section, key, e);
    if (has_control(value)) {
        char text[200];
        snprintf(text, sizeof text, "%.80s: a value may hold no control character", config_keys[row].name);
        return wrong(at, text, e);
    }
    char *plain = ini_unquoted(value, e);
    if (plain)
        config_set_row(c, at, row, plain, e);
    free(plain);
    return e->status;
}
