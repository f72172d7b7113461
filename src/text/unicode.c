/* Classes of code points. The tokenizers library's tables are of Unicode 16, utf8proc's may be older:
 * unicode_ranges.h has what is missing in them. */
#include "text/unicode.h"

#include "base/utf8.h"
#include "text/unicode_ranges.h"

#include <stdlib.h>
#include <utf8proc.h>

static bool in_ranges(const Range *ranges, size_t count, int32_t code)
{
    size_t low = 0;
    size_t high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (code > ranges[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && code >= ranges[low].first;
}

bool unicode_is_letter(int32_t code)
{
    utf8proc_category_t c = utf8proc_category(code);
    return (c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO) ||
           in_ranges(newer_letters, sizeof newer_letters / sizeof *newer_letters, code);
}

bool unicode_is_number(int32_t code)
{
    utf8proc_category_t c = utf8proc_category(code);
    return (c >= UTF8PROC_CATEGORY_ND && c <= UTF8PROC_CATEGORY_NO) ||
           in_ranges(newer_numbers, sizeof newer_numbers / sizeof *newer_numbers, code);
}

bool unicode_is_space(int32_t code)
{
    return (code >= 9 && code <= 13) || code == 32 || code == 0x85 || code == 0xA0 || code == 0x1680 ||
           (code >= 0x2000 && code <= 0x200A) || code == 0x2028 || code == 0x2029 || code == 0x202F ||
           code == 0x205F || code == 0x3000;
}

bool unicode_is_python_space(int32_t code)
{
    return unicode_is_space(code) || (code >= 0x1C && code <= 0x1F);
}

Status unicode_nfc(Text *out, const char *text, size_t count, Error *e)
{
    utf8proc_uint8_t *composed = NULL;
    if (e->status != OK)
        return e->status;
    utf8proc_ssize_t n = utf8proc_map((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)count, &composed,
                                      UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    if (n < 0)
        error_set(e, n == UTF8PROC_ERROR_NOMEM ? NO_MEMORY : BAD_INPUT,
                  "text of %zu bytes: cannot be brought to NFC: %s", count, utf8proc_errmsg(n));
    else
        text_add_bytes(out, composed, (size_t)n, e);
    free(composed);
    return e->status;
}

const char *unicode_strip(const char *text, size_t *count)
{
    const char *end = text + *count;
    const char *first = NULL; /* of what is no space */
    const char *last = text;  /* its end */
    for (const char *p = text; p < end;) {
        int used;
        const bool space = unicode_is_python_space(utf8_decode(p, end, &used));
        if (!space && !first)
            first = p;
        p += used;
        if (!space)
            last = p;
    }
    first = first ? first : last;
    *count = (size_t)(last - first);
    return first;
}
