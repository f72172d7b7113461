/* Command line options in the GNU manner: long options anywhere, --name=value and --name value,
 * -- ends them. */
#ifndef MPA_BASE_OPTIONS_H
#define MPA_BASE_OPTIONS_H

#include "base/error.h"

typedef struct {
    const char *name; /* without the dashes */
    bool takes_value;
    const char **value; /* where the value goes (takes_value); borrowed from argv */
    const char **list;  /* or, for an option that may be repeated, where all go, up to list_capacity */
    int64_t *list_count;
    bool *given; /* or where true goes */
} Option;

enum { LIST_CAPACITY = 1000 };

/* Takes the options out of arguments[*count]; what remains are the plain arguments, in order.
 * BAD_USAGE names an unknown option and the nearest known one. */
Status options_parse(const Option *options, char **arguments, int *count, Error *e);

/* The nearest of the NULL-ended words, if it is near enough to be a slip of the hand; else NULL. */
const char *nearest_word(const char *word, const char *const *words);

/* A whole string as a number; false for anything else. */
bool parse_integer(const char *text, int64_t *value);
bool parse_real(const char *text, double *value);

#endif
