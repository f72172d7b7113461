/* The published keep rule: answers are compared as normalised substrings. Python's str.lower() and \w decide
 * each code point alone, but for capital sigma: at the end of a word it becomes the final one, so that its
 * neighbours count. (The published MPA code, PI.py.) */
#include "data/match.h"

#include "base/utf8.h"
#include "text/unicode_python.h"

#include <string.h>

/* Whether the first character from p on that is not ignorable is a cased letter. */
static bool cased_follows(const char *p, const char *end)
{
    while (p < end) {
        int used;
        const int32_t code = utf8_decode(p, end, &used);
        if (code >= 0 && !python_is_case_ignorable(code))
            return python_is_cased(code);
        p += used;
    }
    return false;
}

enum { SIGMA = 0x3A3, FINAL_SIGMA = 0x3C2 };

Status match_normalise(Text *out, const char *s, Error *e)
{
    const char *end = s ? s + strlen(s) : s;
    bool cased_before = false;
    text_add(out, "", e);
    while (s < end && e->status == OK) {
        int used;
        char bytes[4];
        const int32_t code = utf8_decode(s, end, &used);
        s += used;
        if (code < 0)
            continue;
        const bool final = code == SIGMA && cased_before && !cased_follows(s, end);
        const int32_t lower = final ? FINAL_SIGMA : python_lower(code);
        if (python_is_word(lower))
            text_add_bytes(out, bytes, (size_t)utf8_encode(lower, bytes), e);
        if (!python_is_case_ignorable(code))
            cased_before = python_is_cased(code);
    }
    return e->status;
}

bool match_contains(const char *answer, const char *text)
{
    return strstr(text, answer) != NULL;
}

bool match_keep(const char *answer, const char *student, const char *teacher)
{
    return !match_contains(answer, student) && match_contains(answer, teacher);
}
