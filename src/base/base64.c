/* Three bytes are four numbers of six bits, the highest first. */
#include "base/base64.h"

Status base64_add(Text *out, const void *bytes, size_t count, Error *e)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *p = bytes;
    for (; count && e->status == OK; p += 3) {
        const size_t n = count < 3 ? count : 3;
        const unsigned v = (unsigned)p[0] << 16 | (n > 1 ? (unsigned)p[1] << 8 : 0) | (n > 2 ? p[2] : 0);
        const char four[4] = {digit[v >> 18], digit[v >> 12 & 63], n > 1 ? digit[v >> 6 & 63] : '=',
                              n > 2 ? digit[v & 63] : '='};
        text_add_bytes(out, four, sizeof four, e);
        count -= n;
    }
    return e->status;
}
