/* UTF-8, by the table of well-formed byte sequences of the Unicode standard (section 3.9, table 3-7). */
#include "base/utf8.h"

/* How many bytes follow a first byte; 0: one that starts no sequence of several. */
static int following_bytes(unsigned char first)
{
    return first >= 0xC2 && first < 0xE0   ? 1
           : first >= 0xE0 && first < 0xF0 ? 2
           : first >= 0xF0 && first < 0xF5 ? 3
                                           : 0;
}

int32_t utf8_decode(const char *p, const char *end, int *used)
{
    const unsigned char *s = (const unsigned char *)p;
    *used = 1;
    if (s[0] < 0x80)
        return s[0];
    int more = following_bytes(s[0]);
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

Status utf8_repair(Text *t, const char *bytes, size_t count, Error *e)
{
    const char *end = bytes + count;
    while (bytes < end && e->status == OK) {
        int used;
        if (utf8_decode(bytes, end, &used) >= 0)
            text_add_bytes(t, bytes, (size_t)used, e);
        else
            text_add(t, "\xEF\xBF\xBD", e);
        bytes += used;
    }
    return e->status;
}
