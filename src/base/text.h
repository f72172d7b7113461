/* Growable byte strings. */
#ifndef MPA_BASE_TEXT_H
#define MPA_BASE_TEXT_H

#include "base/error.h"

/* Bytes, followed by a NUL that `count` does not include; data may be NULL while count is 0. Owned:
 * text_free. A zeroed Text is empty and valid. */
typedef struct {
    char *data;
    size_t count, capacity;
} Text;

void text_free(Text *t);
void text_clear(Text *t); /* empty, memory kept */
/* Append to t; after that data is not NULL. False, with t unchanged, when there is no memory (e is
 * set, NO_MEMORY) and when e has failed already. */
bool text_add(Text *t, const char *string, Error *e);
bool text_add_bytes(Text *t, const void *bytes, size_t count, Error *e);
bool text_format(Text *t, Error *e, const char *format, ...) PRINTF_LIKE(3, 4);
const char *text_string(const Text *t); /* "" for an empty one; borrowed */

#endif
