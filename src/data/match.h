/* When an answer counts as right: the published rule (models' answers are compared as normalised
 * substrings). */
#ifndef MPA_DATA_MATCH_H
#define MPA_DATA_MATCH_H

#include "base/text.h"

/* Appends s in lower case with everything but letters, digits and underscores of any script
 * removed, as Python's str.lower(), \s and \W do. NULL counts as empty; invalid UTF-8 is
 * dropped. */
Status match_normalise(Text *out, const char *s, Error *e);
/* Whether the normalised answer stands in the normalised text; an empty one stands in everything. */
bool match_contains(const char *answer, const char *text);
/* Whether the answer stands in what was said, both as they were written. */
bool match_right(const char *answer, const char *said, Error *e);
/* The parity identifier's rule, on normalised texts: only the teacher finds the annotated answer. */
bool match_keep(const char *answer, const char *student, const char *teacher);

#endif
