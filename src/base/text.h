/* Growable byte strings, and checks on UTF-8. */
#ifndef MPA_BASE_TEXT_H
#define MPA_BASE_TEXT_H

#include "base/error.h"

/* Bytes, always followed by a NUL that `count` does not include (data may be NULL while count is
 * 0). Owned: text_free. A zeroed Text is empty and valid. */
typedef struct {
    char *data;
    size_t count, capacity;
} Text;

void text_free(Text *t);
void text_clear(Text *t); /* empty, memory kept */
/* These return false, with e set (NO_MEMORY), when there is no memory, and at once when e has
 * failed already; t is then unchanged. */
bool text_add(Text *t, const char *string, Error *e);
bool text_add_bytes(Text *t, const void *bytes, size_t count, Error *e);
bool text_format(Text *t, Error *e, const char *format, ...) PRINTF_LIKE(3, 4); /* appends */
const char *text_string(const Text *t); /* "" for an empty one; borrowed */

/* The code point that starts at p (p < end) and its length in bytes in *used; where the bytes
 * are no UTF-8 (overlong, surrogate, cut): -1, and *used is the length of the maximal subpart
 * (at least 1), as Python's errors="replace" counts it. */
int32_t utf8_decode(const char *p, const char *end, int *used);
int utf8_encode(int32_t code, char out[4]); /* bytes written, 1 to 4 */
/* Appends `count` bytes to t with each maximal subpart that is no UTF-8 replaced by U+FFFD. */
bool utf8_repair(Text *t, const char *bytes, size_t count, Error *e);

#endif
