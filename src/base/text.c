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

static bool text_reserve(Text *t, size_t more, Error *e)
{
    if (t->data && more < t->capacity - t->count)
        return true;
    size_t capacity = t->capacity + t->capacity / 2 + more + 32;
    char *data = capacity > more ? memory_grow(t->data, (int64_t)capacity, 1, e) : NULL;
    if (!data)
        return false;
    t->data = data;
    t->capacity = capacity;
    return true;
}

bool text_add_bytes(Text *t, const void *bytes, size_t count, Error *e)
{
    if (e->status != OK || !text_reserve(t, count, e))
        return false;
    if (count)
        memcpy(t->data + t->count, bytes, count);
    t->count += count;
    t->data[t->count] = 0;
    return true;
}

bool text_add(Text *t, const char *string, Error *e)
{
    return e->status == OK && text_add_bytes(t, string, strlen(string), e);
}

bool text_format(Text *t, Error *e, const char *format, ...)
{
    if (e->status != OK)
        return false;
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    bool ok = n >= 0 && text_reserve(t, (size_t)n, e);
    if (ok) {
        vsnprintf(t->data + t->count, (size_t)n + 1, format, again);
        t->count += (size_t)n;
    }
    va_end(again);
    va_end(args);
    return ok;
}

const char *text_string(const Text *t)
{
    return t->data ? t->data : "";
}

int32_t utf8_decode(const char *p, const char *end, int *used)
{
    const unsigned char *s = (const unsigned char *)p;
    *used = 1;
    if (s[0] < 0x80)
        return s[0];
    int more = s[0] >= 0xC2 && s[0] < 0xE0   ? 1
               : s[0] >= 0xE0 && s[0] < 0xF0 ? 2
               : s[0] >= 0xF0 && s[0] < 0xF5 ? 3
                                             : 0;
    if (!more)
        return -1;
    /* The second byte's range excludes overlong forms, surrogates and what lies above U+10FFFF. */
    unsigned low = s[0] == 0xE0 ? 0xA0 : s[0] == 0xF0 ? 0x90 : 0x80;
    unsigned high = s[0] == 0xED ? 0x9F : s[0] == 0xF4 ? 0x8F : 0xBF;
    int32_t code = s[0] & (0x3F >> more);
    for (int i = 1; i <= more; i++) {
        if (p + i >= end || s[i] < low || s[i] > high)
            return -1;
        code = code << 6 | (s[i] & 0x3F);
        low = 0x80;
        high = 0xBF;
        *used = i + 1;
    }
    return code;
}

int utf8_encode(int32_t code, char out[4])
{
    uint32_t c = (uint32_t)code;
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xC0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xE0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3F));
        out[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3F));
    out[2] = (char)(0x80 | (c >> 6 & 0x3F));
    out[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}

bool utf8_repair(Text *t, const char *bytes, size_t count, Error *e)
{
    if (e->status != OK)
        return false;
    const char *end = bytes + count;
    while (bytes < end) {
        int used;
        bool valid = utf8_decode(bytes, end, &used) >= 0;
        if (!(valid ? text_add_bytes(t, bytes, (size_t)used, e) : text_add(t, "\xEF\xBF\xBD", e)))
            return false;
        bytes += used;
    }
    return true;
}
