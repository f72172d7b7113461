/* The published keep rule: answers are compared as normalised substrings. What Python's str.lower()
 * and \w do to each code point is done by Unicode category, with the final sigma as the one rule
 * that looks at the neighbours. (The published MPA code, PI.py.) */
#include "data/match.h"

#include "base/utf8.h"

#include <string.h>
#include <utf8proc.h>

static bool is_word(int32_t code)
{
    utf8proc_category_t c = utf8proc_category(code);
    return code == '_' || (c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO) ||
           (c >= UTF8PROC_CATEGORY_ND && c <= UTF8PROC_CATEGORY_NO);
}

static bool is_cased(int32_t code)
{
    utf8proc_category_t c = utf8proc_category(code);
    return c == UTF8PROC_CATEGORY_LU || c == UTF8PROC_CATEGORY_LL || c == UTF8PROC_CATEGORY_LT;
}

/* Characters that do not end a word when a final sigma is looked for (Case_Ignorable). */
static bool is_ignorable(int32_t code)
{
    utf8proc_category_t c = utf8proc_category(code);
    return c == UTF8PROC_CATEGORY_MN || c == UTF8PROC_CATEGORY_ME || c == UTF8PROC_CATEGORY_CF ||
           c == UTF8PROC_CATEGORY_LM || c == UTF8PROC_CATEGORY_SK || code == '\'' || code == '.' ||
           code == ':' || code == 0xB7 || code == 0x2018 || code == 0x2019 || code == 0x2024 ||
           code == 0x2027;
}

/* Whether the first character from p on that is not ignorable is a cased letter. */
static bool cased_follows(const char *p, const char *end)
{
    while (p < end) {
        int used;
        const int32_t code = utf8_decode(p, end, &used);
        if (code < 0 || !is_ignorable(code))
            return code >= 0 && is_cased(code);
        p += used;
    }
    return false;
}

/* The code point in lower case. Dotted capital I becomes i and a mark, which is no letter. */
static int32_t to_lower(int32_t code, bool final)
{
    if (code == 0x130)
        return 'i';
    if (code == 0x3A3 && final)
        return 0x3C2;
    return (int32_t)utf8proc_tolower(code);
}

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
        const bool final = code == 0x3A3 && cased_before && !cased_follows(s, end);
        const int32_t lower = to_lower(code, final);
        if (is_word(lower))
            text_add_bytes(out, bytes, (size_t)utf8_encode(lower, bytes), e);
        if (!is_ignorable(code))
            cased_before = is_cased(code);
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
