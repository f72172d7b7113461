/* Letters and case as Python 3.13 has them (Unicode 15.1), whatever Unicode library is installed: the
 * published rules are Python's. */
#ifndef MPA_TEXT_UNICODE_PYTHON_H
#define MPA_TEXT_UNICODE_PYTHON_H

#include <stdbool.h>
#include <stdint.h>

bool python_is_word(int32_t code); /* \w: letters, digits and the underscore, of any script */
/* For final sigma: characters that are passed over, and those of the others that are letters with case. */
bool python_is_case_ignorable(int32_t code);
bool python_is_cased(int32_t code);
/* str.lower() of a single character; of a dotted capital I its letter, i. */
int32_t python_lower(int32_t code);

#endif
