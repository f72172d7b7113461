/* Classes of code points as the tokenizers library's regular expressions see them (Unicode 16),
 * on top of utf8proc's tables. */
#ifndef MPA_TEXT_UNICODE_H
#define MPA_TEXT_UNICODE_H

#include "base/text.h"

bool unicode_is_letter(int32_t code); /* \p{L} */
bool unicode_is_number(int32_t code); /* \p{N} */
bool unicode_is_space(int32_t code);  /* \s: White_Space */
/* What Python's str.strip, str.split and re's \s take for a space: the four separators of ASCII too. */
bool unicode_is_python_space(int32_t code);

/* The text without the Python spaces around it: where it starts, and its length in *count. */
const char *unicode_strip(const char *text, size_t *count);

/* Appends the NFC form of valid UTF-8. */
Status unicode_nfc(Text *out, const char *text, size_t count, Error *e);

#endif
