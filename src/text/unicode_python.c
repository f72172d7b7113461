/* Searches in the tables that ref/golden_characters.py wrote from Python. str.lower() looks at each character
 * alone, but for capital sigma: at the end of a word it becomes the final one, so that its neighbours count. */
#include "text/unicode_python.h"

#include "base/utf8.h"
#include "text/unicode_python_tables.h"

#include <string.h>

#define HOLDS(table, code) range_holds(table, sizeof(table) / sizeof *(table), code)

enum { SIGMA = 0x3A3, FINAL_SIGMA = 0x3C2, DOTTED_I = 0x130, DOT_ABOVE = 0x307 };

bool python_is_word(int32_t code)
{
    return HOLDS(words, code);
}

int python_digit(int32_t code)
{
    for (size_t i = 0; i < sizeof digits / sizeof *digits; i++)
        if (code >= digits[i].first && code <= digits[i].last)
            return (code - digits[i].first) % 10; /* each script's zero comes first */
    return -1;
}

int python_upper_length(int32_t code)
{
    return HOLDS(upper_three, code) ? 3 : HOLDS(upper_two, code) ? 2 : 1;
}

static int32_t lower_of(int32_t code)
{
    size_t low = 0;
    size_t high = sizeof lower_runs / sizeof *lower_runs;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (code > lower_runs[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    const LowerRun *r = lower_runs + low;
    if (low == sizeof lower_runs / sizeof *lower_runs || code < r->first || (code - r->first) % r->step)
        return code;
    return code + r->add;
}

/* Whether the first character from p on that is not ignorable is a cased letter. */
static bool cased_follows(const char *p, const char *end)
{
    while (p < end) {
        int used;
        const int32_t code = utf8_decode(p, end, &used);
        if (code >= 0 && !HOLDS(ignorables, code))
            return HOLDS(cased_letters, code);
        p += used;
    }
    return false;
}

static void add_code(Text *out, int32_t code, Error *e)
{
    char bytes[4];
    text_add_bytes(out, bytes, (size_t)utf8_encode(code, bytes), e);
}

Status python_lower(Text *out, const char *s, Error *e)
{
    const char *end = s ? s + strlen(s) : s;
    bool cased_before = false;
    text_add(out, "", e);
    while (s < end && e->status == OK) {
        int used;
        const int32_t code = utf8_decode(s, end, &used);
        s += used;
        if (code < 0)
            continue;
        const bool final = code == SIGMA && cased_before && !cased_follows(s, end);
        add_code(out, final ? FINAL_SIGMA : code == DOTTED_I ? 'i' : lower_of(code), e);
        if (code == DOTTED_I)
            add_code(out, DOT_ABOVE, e);
        if (!HOLDS(ignorables, code))
            cased_before = HOLDS(cased_letters, code);
    }
    return e->status;
}
