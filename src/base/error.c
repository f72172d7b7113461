/* Errors. Invariant: the first failure stays: what fails after it is usually its consequence. */
#include "base/error.h"

#include "base/printable.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void record(Error *e, Status status, const char *format, va_list args)
{
    if (e->status != OK)
        return;
    const int length = vsnprintf(e->text, sizeof e->text, format, args);
    if (length >= (int)sizeof e->text)
        memcpy(e->text + sizeof e->text - 4, "...", 4);
    make_printable(e->text, false);
    e->status = status;
}

Status error_set(Error *e, Status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    record(e, status, format, args);
    va_end(args);
    return e->status;
}

Status error_arguments(Error *e, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    e->arguments |= e->status == OK;
    record(e, BAD_USAGE, format, args);
    va_end(args);
    return e->status;
}

Status error_prefix(Error *e, const char *format, ...)
{
    if (e->status == OK)
        return OK;
    char old[sizeof e->text], prefix[sizeof e->text];
    memcpy(old, e->text, sizeof old);
    va_list args;
    va_start(args, format);
    vsnprintf(prefix, sizeof prefix, format, args);
    va_end(args);
    make_printable(prefix, false);
    size_t used = strlen(prefix);
    if (used > sizeof e->text / 2) /* leaves half of the room to the message itself */
        used = sizeof e->text / 2;
    memcpy(e->text, prefix, used);
    if (snprintf(e->text + used, sizeof e->text - used, ": %s", old) < 0)
        e->text[used] = 0;
    return e->status;
}

Status error_take(Error *e, const Error *other)
{
    if (e->status == OK)
        *e = *other;
    return e->status;
}

Status error_take_memory(Error *e, const Error *other)
{
    return other->status == NO_MEMORY ? error_take(e, other) : e->status;
}
