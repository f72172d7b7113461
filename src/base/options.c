#include "base/options.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Levenshtein's distance for short words; 99 for long ones. */
static int distance(const char *a, const char *b)
{
    enum { MOST = 40 };
    size_t n = strlen(a), m = strlen(b);
    int row[MOST + 1];
    if (n > MOST || m > MOST)
        return 99;
    for (size_t j = 0; j <= m; j++)
        row[j] = (int)j;
    for (size_t i = 1; i <= n; i++) {
        int diagonal = row[0];
        row[0] = (int)i;
        for (size_t j = 1; j <= m; j++) {
            int change = diagonal + (a[i - 1] != b[j - 1]),
                least = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = change < least ? change : least;
        }
    }
    return row[m];
}

const char *nearest_word(const char *word, const char *const *words)
{
    const char *best = NULL;
    int least = 3;
    for (; *words; words++) {
        int d = distance(word, *words);
        if (d < least && d < (int)strlen(*words)) {
            least = d;
            best = *words;
        }
    }
    return best;
}

bool parse_integer(const char *text, int64_t *value)
{
    char *end;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    *value = v;
    return *text && !*end && !errno && *text != ' ';
}

bool parse_real(const char *text, double *value)
{
    char *end;
    errno = 0;
    *value = strtod(text, &end);
    return *text && !*end && *text != ' ' && isfinite(*value);
}

static const Option *find(const Option *options, const char *name, size_t length)
{
    for (; options->name; options++)
        if (strlen(options->name) == length && !memcmp(options->name, name, length))
            return options;
    return NULL;
}

static Status unknown(const Option *options, const char *name, Error *e)
{
    const char *words[64];
    int n = 0;
    for (; options[n].name && n < 63; n++)
        words[n] = options[n].name;
    words[n] = NULL;
    const char *near = nearest_word(name, words);
    return error_set(e, BAD_USAGE, "unknown option --%s%s%s%s", name, near ? "; did you mean --" : "",
                     near ? near : "", near ? "?" : "");
}

static Status take(const Option *o, const char *value, Error *e)
{
    if (!o->takes_value) {
        *o->given = true;
    } else if (o->list) {
        if (*o->list_count == LIST_CAPACITY)
            return error_set(e, BAD_USAGE, "--%s: more than %d", o->name, (int)LIST_CAPACITY);
        o->list[(*o->list_count)++] = value;
    } else {
        *o->value = value;
    }
    return OK;
}

Status options_parse(const Option *options, char **arguments, int *count, Error *e)
{
    int kept = 0;
    if (e->status != OK)
        return e->status;
    for (int i = 0; i < *count; i++) {
        char *a = arguments[i];
        if (!strcmp(a, "--")) {
            while (++i < *count)
                arguments[kept++] = arguments[i];
            break;
        }
        if (strncmp(a, "--", 2)) {
            if (a[0] == '-' && a[1])
                return error_set(e, BAD_USAGE, "unknown option %s; options are written out, with two dashes",
                                 a);
            arguments[kept++] = a;
            continue;
        }
        const char *equals = strchr(a, '='), *value = equals ? equals + 1 : NULL;
        const Option *o = find(options, a + 2, equals ? (size_t)(equals - a - 2) : strlen(a + 2));
        if (!o)
            return unknown(options, a + 2, e);
        if (o->takes_value && !value && i + 1 < *count)
            value = arguments[++i];
        if (o->takes_value && !value)
            return error_set(e, BAD_USAGE, "--%s needs a value", o->name);
        if (!o->takes_value && value)
            return error_set(e, BAD_USAGE, "--%s takes no value", o->name);
        if (take(o, value, e) != OK)
            return e->status;
    }
    *count = kept;
    return OK;
}
