/* All text of a page that is not the program's own goes through html_text. What it lets through cannot
 * start a tag, end an attribute or turn the direction of what follows. */
#include "report/html.h"

#include "base/printable.h"
#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

enum { IN_TABLES = 240 };

static Status add_code(Text *out, int32_t code, const char *bytes, int used, Error *e)
{
    switch (code) {
    case '&': return text_add(out, "&amp;", e);
    case '<': return text_add(out, "&lt;", e);
    case '>': return text_add(out, "&gt;", e);
    case '"': return text_add(out, "&quot;", e);
    case '\'': return text_add(out, "&#39;", e);
    case '\n':
    case '\t': return text_add(out, " ", e);
    default: break;
    }
    if (code < 0)
        return text_add(out, "\xEF\xBF\xBD", e);
    if (code_acts(code))
        return text_format(out, e, "[U+%04lX]", (unsigned long)code);
    return text_add_bytes(out, bytes, (size_t)used, e);
}

Status html_clipped(Text *out, const char *words, int64_t most, Error *e)
{
    const char *end = words ? words + strlen(words) : words;
    for (; words < end && most > 0 && e->status == OK; most--) {
        int used;
        const int32_t code = utf8_decode(words, end, &used);
        add_code(out, code, words, used, e);
        words += used;
    }
    return text_add(out, words < end ? "\xE2\x80\xA6" : "", e);
}

Status html_text(Text *out, const char *words, Error *e)
{
    return html_clipped(out, words, INT64_MAX, e);
}

Status html_count(Text *out, int64_t count, Error *e)
{
    char digits[32];
    const int n = snprintf(digits, sizeof digits, "%lld", (long long)count);
    for (int i = 0; i < n; i++) {
        if (i && (n - i) % 3 == 0 && digits[i - 1] != '-')
            text_add(out, ",", e);
        text_add_bytes(out, digits + i, 1, e);
    }
    return e->status;
}

Status html_element(Text *out, const char *tag, const char *words, Error *e)
{
    text_format(out, e, "<%s>", tag);
    html_clipped(out, words, IN_TABLES, e);
    return text_format(out, e, "</%s>", tag);
}
