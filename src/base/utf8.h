/* UTF-8: one code point at a time, and repair of what is none. */
#ifndef MPA_BASE_UTF8_H
#define MPA_BASE_UTF8_H

#include "base/text.h"

/* The code point that starts at p (p < end); its length in bytes in *used. Where the bytes are no
 * UTF-8 (overlong, surrogate, cut): -1, and *used is the length of the maximal subpart (at least
 * 1), as Python's errors="replace" counts it. */
int32_t utf8_decode(const char *p, const char *end, int *used);
/* Writes a code point; the number of bytes, 1 to 4. */
int utf8_encode(int32_t code, char out[4]);
/* Appends `count` bytes to t; each maximal subpart that is no UTF-8 becomes U+FFFD. */
Status utf8_repair(Text *t, const char *bytes, size_t count, Error *e);

#endif
