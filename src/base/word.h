/* Short strings: how they end, how far apart they are, and whether they are numbers. */
#ifndef MPA_BASE_WORD_H
#define MPA_BASE_WORD_H

#include <stdbool.h>
#include <stdint.h>

bool ends_with(const char *text, const char *ending);
bool ends_with_any_case(const char *text, const char *ending); /* of ASCII letters */

/* Levenshtein's distance: how many code points must be put in, left out or changed to make b[m]
 * of a[n]. `row` has room for m + 1 numbers; it needs no values and holds none afterwards. */
int64_t edit_distance(const int32_t *a, int64_t n, const int32_t *b, int64_t m, int64_t *row);
/* The word of a NULL-ended list that is nearest to `word`, if it is near enough to have been meant:
 * a distance of at most 2, and less than its own length. NULL: none. */
const char *nearest_word(const char *word, const char *const *words);

/* Reads a whole string as a number; false where it is none, or something stands before or after it.
 * Reals must be finite. */
bool parse_integer(const char *text, int64_t *value);
bool parse_real(const char *text, double *value);

#endif
