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
/* Append to t; after success data is not NULL. NO_MEMORY leaves t unchanged. */
Status text_add(Text *t, const char *string, Error *e);
Status text_add_bytes(Text *t, const void *bytes, size_t count, Error *e);
Status text_format(Text *t, Error *e, const char *format, ...) PRINTF_LIKE(3, 4);
const char *text_string(const Text *t); /* "" for an empty one; borrowed */

#endif
