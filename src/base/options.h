/* Command line options in the GNU manner: long options anywhere, as --name=value or --name value;
 * "--" ends them. */
#ifndef MPA_BASE_OPTIONS_H
#define MPA_BASE_OPTIONS_H

#include "base/error.h"

typedef struct {
    const char *name; /* without the dashes */
    bool takes_value;
    bool *given;         /* without a value: becomes true */
    const char **value;  /* with one: becomes the value, borrowed from argv */
    const char **list;   /* or, where the option may be repeated, all values, up to LIST_CAPACITY */
    int64_t *list_count; /* how many */
} Option;

enum { LIST_CAPACITY = 1000 };

/* Takes the options out of arguments[*count]. What remains are the plain arguments, in order.
 * `options` ends with a row without a name. BAD_USAGE names an unknown option and the nearest known
 * one. */
Status options_parse(const Option *options, char **arguments, int *count, Error *e);

#endif
