/* Classes of code points. The tokenizers library's tables are of Unicode 16, utf8proc's may be older:
 * unicode_ranges.h has what is missing in them. */
#include "text/unicode.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "text/unicode_ranges.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

bool unicode_is_letter(int32_t code)
{
    utf8proc_category_t c = utf8proc_category(code);
    return (c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO) ||
           range_holds(newer_letters, sizeof newer_letters / sizeof *newer_letters, code);
}

bool unicode_is_number(int32_t code)
{
    utf8proc_category_t c = utf8proc_category(code);
    return (c >= UTF8PROC_CATEGORY_ND && c <= UTF8PROC_CATEGORY_NO) ||
           range_holds(newer_numbers, sizeof newer_numbers / sizeof *newer_numbers, code);
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

static int32_t combining_class(int32_t code)
{
    return utf8proc_get_property(code)->combining_class;
}

/* The canonical order: each run of combining marks is sorted by class, and marks of one class keep their
 * order. By counting, because a stranger's text may be one run; utf8proc's own sort takes the square of it. */
static void order_marks(int32_t *code, int64_t count, int32_t *scratch)
{
    int64_t end = 0;
    for (int64_t first = 0; first < count; first = end) {
        int64_t at[257] = {0};
        end = first + 1;
        if (!combining_class(code[first]))
            continue;
        while (end < count && combining_class(code[end]))
            end++;
        for (int64_t i = first; i < end; i++)
            at[combining_class(code[i]) + 1]++;
        for (int c = 1; c < 257; c++)
            at[c] += at[c - 1];
        for (int64_t i = first; i < end; i++) {
            int64_t *to = at + combining_class(code[i]);
            scratch[*to] = code[i];
            ++*to;
        }
        memcpy(code + first, scratch, (size_t)(end - first) * sizeof *code);
    }
}

/* The canonical decomposition; *code has `*capacity` elements, grown where they are too few. The count. */
static int64_t decompose(int32_t **code, int64_t *capacity, const char *text, size_t count, Error *e)
{
    enum { LONGEST = 18 }; /* of one character's decomposition, and more than any */
    const char *end = text + count;
    int64_t n = 0;
    while (text < end && e->status == OK) {
        int used;
        int last = 0;
        const int32_t c = utf8_decode(text, end, &used);
        *code = memory_reserve(*code, n + LONGEST, capacity, sizeof **code, e);
        if (e->status == OK)
            n += utf8proc_decompose_char(c, *code + n, LONGEST, UTF8PROC_STABLE | UTF8PROC_DECOMPOSE, &last);
        text += used;
    }
    return n;
}

Status unicode_nfc(Text *out, const char *text, size_t count, Error *e)
{
    int32_t *code = NULL;
    int64_t capacity = 0;
    int64_t n = decompose(&code, &capacity, text, count, e);
    int32_t *scratch = memory_grow(NULL, n, sizeof *scratch, e);
    if (e->status == OK) {
        order_marks(code, n, scratch);
        n = utf8proc_normalize_utf32(code, n, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    }
    text_add(out, "", e);
    for (int64_t i = 0; i < n && e->status == OK; i++) {
        char bytes[4];
        text_add_bytes(out, bytes, (size_t)utf8_encode(code[i], bytes), e);
    }
    free(scratch);
    free(code);
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
