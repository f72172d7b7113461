/* Letters, digits and case as Python 3.13 has them (Unicode 15.1), whatever Unicode library is installed:
 * the published rules and the benchmarks' metrics are Python's. */
#ifndef MPA_TEXT_UNICODE_PYTHON_H
#define MPA_TEXT_UNICODE_PYTHON_H

#include "base/text.h"

bool python_is_word(int32_t code); /* \w: letters, digits and the underscore, of any script */
/* What a digit of any script counts, 0 to 9 (\d); -1: it is none. */
int python_digit(int32_t code);
/* How many code points str.upper() makes of the character, 1 to 3. */
int python_upper_length(int32_t code);

/* Appends str.lower() of the text; NULL counts as empty, invalid UTF-8 is dropped. */
Status python_lower(Text *out, const char *s, Error *e);

#endif
