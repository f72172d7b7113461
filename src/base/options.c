/* Command line options. Parsing moves the plain arguments together at the front of the list; options
 * are written to where their rows point. */
#include "base/options.h"

#include "base/word.h"

#include <string.h>

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
    for (; n < 63 && options[n].name; n++)
        words[n] = options[n].name;
    words[n] = NULL;
    const char *near = nearest_word(name, words);
    return error_arguments(e, "unknown option --%s%s%s%s", name, near ? "; did you mean --" : "",
                           near ? near : "", near ? "?" : "");
}

static Status store(const Option *o, const char *value, Error *e)
{
    if (!o->takes_value) {
        *o->given = true;
    } else if (!o->list) {
        *o->value = value;
    } else if (*o->list_count == LIST_CAPACITY) {
        error_arguments(e, "--%s: more than %d", o->name, (int)LIST_CAPACITY);
    } else {
        o->list[*o->list_count] = value;
        ++*o->list_count;
    }
    return e->status;
}

/* One option, `text`, and the argument after it, NULL at the end. *used: how many of the two it is. */
static Status take(const Option *options, const char *text, const char *next, int *used, Error *e)
{
    const char *name = text + 2;
    const char *equals = strchr(name, '=');
    const char *value = equals ? equals + 1 : NULL;
    const Option *o = find(options, name, equals ? (size_t)(equals - name) : strlen(name));
    *used = 1;
    if (!o)
        return unknown(options, name, e);
    if (!o->takes_value && value)
        return error_arguments(e, "--%s takes no value", o->name);
    if (o->takes_value && !value) {
        if (!next)
            return error_arguments(e, "--%s needs a value", o->name);
        value = next;
        *used = 2;
    }
    return store(o, value, e);
}

Status options_parse(const Option *options, char **arguments, int *count, Error *e)
{
    int kept = 0;
    int i = 0;
    bool ended = false; /* by "--" */
    while (i < *count && e->status == OK) {
        char *a = arguments[i];
        int used = 1;
        if (!ended && !strcmp(a, "--")) {
            ended = true;
        } else if (!ended && !strncmp(a, "--", 2)) {
            take(options, a, i + 1 < *count ? arguments[i + 1] : NULL, &used, e);
        } else if (!ended && a[0] == '-' && a[1]) {
            error_arguments(e, "unknown option %s; options are written out, with two dashes", a);
        } else {
            arguments[kept] = a;
            kept++;
        }
        i += used;
    }
    if (e->status == OK)
        *count = kept;
    return e->status;
}
