/* The published keep rule: answers are compared as normalised substrings, by Python's str.lower() and \w.
 * (The published MPA code, PI.py.) */
#include "data/match.h"

#include "base/utf8.h"
#include "text/unicode_python.h"

#include <string.h>

Status match_normalise(Text *out, const char *s, Error *e)
{
    Text lower = {0};
    python_lower(&lower, s, e);
    const char *p = text_string(&lower);
    const char *end = p + lower.count;
    text_add(out, "", e);
    while (p < end && e->status == OK) {
        int used;
        if (python_is_word(utf8_decode(p, end, &used)))
            text_add_bytes(out, p, (size_t)used, e);
        p += used;
    }
    text_free(&lower);
    return e->status;
}

bool match_contains(const char *answer, const char *text)
{
    return strstr(text, answer) != NULL;
}

bool match_right(const char *answer, const char *said, Error *e)
{
    Text a = {0};
    Text s = {0};
    match_normalise(&a, answer, e);
    match_normalise(&s, said, e);
    const bool right = e->status == OK && match_contains(text_string(&a), text_string(&s));
    text_free(&a);
    text_free(&s);
    return right;
}

bool match_keep(const char *answer, const char *student, const char *teacher)
{
    return !match_contains(answer, student) && match_contains(answer, teacher);
}
