#include "mpa/reply.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "text/unicode.h"

#include <string.h>

/* Python's \s and str.strip() count the separators U+001C to U+001F as well. */
static bool is_space(int32_t code)
{
    return unicode_is_space(code) || (code >= 0x1C && code <= 0x1F);
}

static const char *skip_spaces(const char *p, const char *end)
{
    for (int used; p < end && is_space(utf8_decode(p, end, &used)); p += used)
        continue;
    return p;
}

/* The end of `word` (lower case ASCII) at p, in any case, or NULL. U+017F is an s to Python's
 * IGNORECASE. */
static const char *word_at(const char *p, const char *end, const char *word)
{
    for (int used; *word; word++, p += used) {
        if (p >= end)
            return NULL;
        int32_t code = utf8_decode(p, end, &used);
        if (code >= 'A' && code <= 'Z')
            code += 32;
        if ((code == 0x17F ? 's' : code) != *word)
            return NULL;
    }
    return p;
}

static char *stripped(const char *p, const char *end, Error *e)
{
    const char *last = p = skip_spaces(p, end);
    for (const char *q = p; q < end;) {
        int used;
        bool space = is_space(utf8_decode(q, end, &used));
        q += used;
        if (!space)
            last = q;
    }
    return memory_copy_bytes(p, (size_t)(last - p), e);
}

/* The first '?' from p on before the line ends; NULL: none. */
static const char *mark_in_line(const char *p, const char *end)
{
    while (p < end && *p != '?' && *p != '\n')
        p++;
    return p < end && *p == '?' ? p : NULL;
}

/* \s* gives back what it took: when no mark stands in the line after the spaces, one may stand
 * in a line among them only if it is empty, so none does. */
static const char *question_at(const char *p, const char *end, const char **start)
{
    const char *after = word_at(p, end, "question:");
    *start = after ? skip_spaces(after, end) : NULL;
    return after ? mark_in_line(*start, end) : NULL;
}

Status reply_parse(const char *text, char **question, char **answer, Error *e)
{
    const char *end = text + strlen(text), *start;
    *question = *answer = NULL;
    for (const char *p = text; p < end && !*question; p++) {
        const char *mark = question_at(p, end, &start);
        if (mark && !(*question = stripped(start, mark, e)))
            return NO_MEMORY;
    }
    for (const char *p = text; p < end && !*answer; p++) {
        const char *after = word_at(p, end, "answer:");
        if (!after)
            continue;
        const char *first = skip_spaces(after, end), *stop = strchr(first, '\n');
        if (!(*answer = stripped(first, stop ? stop : end, e)))
            return NO_MEMORY;
    }
    return OK;
}
