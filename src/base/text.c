/* Growable byte strings. Invariant: data is NULL, or data[count] is NUL and count < capacity. */
#include "base/text.h"

#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void text_free(Text *t)
{
    free(t->data);
    *t = (Text){0};
}

void text_clear(Text *t)
{
    t->count = 0;
    if (t->data)
        t->data[0] = 0;
}

/* Makes room for `more` bytes and the NUL. */
static Status text_reserve(Text *t, size_t more, Error *e)
{
    if (e->status != OK || (t->data && more < t->capacity - t->count))
        return e->status;
    if (more > SIZE_MAX / 8)
        return error_set(e, NO_MEMORY, "out of memory (wanted %zu bytes)", more);
    size_t capacity = t->capacity + t->capacity / 2 + more + 32;
    char *data = memory_grow(t->data, (int64_t)capacity, 1, e);
    if (data) {
        t->data = data;
        t->capacity = capacity;
    }
    return e->status;
}

Status text_add_bytes(Text *t, const void *bytes, size_t count, Error *e)
{
    if (text_reserve(t, count, e) != OK)
        return e->status;
    if (count)
        memcpy(t->data + t->count, bytes, count);
    t->count += count;
    t->data[t->count] = 0;
    return OK;
}

Status text_add(Text *t, const char *string, Error *e)
{
    return e->status == OK ? text_add_bytes(t, string, strlen(string), e) : e->status;
}

Status text_format(Text *t, Error *e, const char *format, ...)
{
    if (e->status != OK)
        return e->status;
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    if (n < 0)
        error_set(e, FAILED, "a text of this length or these characters cannot be put together");
    else if (text_reserve(t, (size_t)n, e) == OK)
        t->count += (size_t)vsnprintf(t->data + t->count, (size_t)n + 1, format, again);
    va_end(again);
    va_end(args);
    return e->status;
}

const char *text_string(const Text *t)
{
    return t->data ? t->data : "";
}
