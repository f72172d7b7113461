/* The annotator's text taken apart, exactly as Python's re does it with the published patterns
 * Question:\s*(.*?)\? and Answer:\s*(.*), IGNORECASE, and str.strip(). `.` does not match a line
 * end, so a question ends in the line in which it starts. (The published MPA code.) */
#include "mpa/reply.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "text/unicode.h"

#include <string.h>

static const char *skip_spaces(const char *p, const char *end)
{
    while (p < end) {
        int used;
        if (!unicode_is_python_space(utf8_decode(p, end, &used)))
            break;
        p += used;
    }
    return p;
}

/* The ASCII letter in lower case that Python's IGNORECASE takes the character for: the long s is an s, and
 * both the dotted capital I and the dotless i are an i. Else the character. */
static int32_t letter_of(int32_t code)
{
    if (code >= 'A' && code <= 'Z')
        return code + 32;
    if (code == 0x17F)
        return 's';
    return code == 0x130 || code == 0x131 ? 'i' : code;
}

/* The end of `word` (lower case ASCII) at p, in any case, or NULL. */
static const char *word_at(const char *p, const char *end, const char *word)
{
    for (; *word; word++) {
        int used;
        if (p >= end)
            return NULL;
        if (letter_of(utf8_decode(p, end, &used)) != *word)
            return NULL;
        p += used;
    }
    return p;
}

/* The text from p to end without the spaces around it. */
static Span stripped(const char *p, const char *end)
{
    size_t count = (size_t)(end - p);
    const char *first = unicode_strip(p, &count);
    return (Span){first, count};
}

/* The first '?' from p on before the line ends; NULL: none. */
static const char *mark_in_line(const char *p, const char *end)
{
    while (p < end && *p != '?' && *p != '\n')
        p++;
    return p < end && *p == '?' ? p : NULL;
}

/* The question mark of the question whose "Question:" is at p; NULL: there is none. *start: where
 * its text begins. Python's \s* may also match fewer spaces, but a line that it would give back is
 * empty and holds no mark. */
static const char *question_at(const char *p, const char *end, const char **start)
{
    const char *after = word_at(p, end, "question:");
    *start = after ? skip_spaces(after, end) : NULL;
    return after ? mark_in_line(*start, end) : NULL;
}

void reply_find(const char *text, Span *question, Span *answer)
{
    const char *end = text + strlen(text);
    *question = *answer = (Span){0};
    for (const char *p = text; p < end && !question->start; p++) {
        const char *start;
        const char *mark = question_at(p, end, &start);
        if (mark)
            *question = stripped(start, mark);
    }
    for (const char *p = text; p < end && !answer->start; p++) {
        const char *after = word_at(p, end, "answer:");
        if (after) {
            const char *first = skip_spaces(after, end);
            const char *stop = strchr(first, '\n');
            *answer = stripped(first, stop ? stop : end);
        }
    }
}

Status reply_parse(const char *text, char **question, char **answer, Error *e)
{
    Span q;
    Span a;
    reply_find(text, &q, &a);
    *question = q.start ? memory_copy_bytes(q.start, q.count, e) : NULL;
    *answer = a.start ? memory_copy_bytes(a.start, a.count, e) : NULL;
    return e->status;
}
