/* Qwen2: (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|
 * ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+ GPT-2: '(?:s|t|re|ve|m|ll|d)| ?\p{L}+|
 * ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ Alternatives are tried in their order at each place;
 * every character is covered by one of them. */
#include "text/pretokenize.h"

#include "base/utf8.h"

#include "text/unicode.h"

const char pretokenize_qwen2_pattern[] = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| "
                                         "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

typedef bool Class(int32_t code);

static bool is_line_end(int32_t code)
{
    return code == '\r' || code == '\n';
}

static bool is_other(int32_t code)
{
    return !unicode_is_space(code) && !unicode_is_letter(code) && !unicode_is_number(code);
}

/* The code point at p, -1 at the end; *next is where the following one starts. */
static int32_t peek(const char *p, const char *end, const char **next)
{
    *next = p;
    if (p >= end)
        return -1;
    int used;
    int32_t code = utf8_decode(p, end, &used);
    *next = p + used;
    return code;
}

/* The end of the run of `class` characters that starts at p. */
static const char *run_of(Class *class, const char *p, const char *end)
{
    const char *next;
    while (p < end && class(peek(p, end, &next)))
        p = next;
    return p;
}

/* Lower case of the letters that occur in contractions; U+017F is a long s. */
static int32_t fold(int32_t code, bool ignore_case)
{
    if (ignore_case && code >= 'A' && code <= 'Z')
        return code + 32;
    return ignore_case && code == 0x17F ? 's' : code;
}

/* The end of a contraction such as 'll at p, or p. */
static const char *contraction(const char *p, const char *end, bool ignore_case)
{
    const char *second, *third, *after;
    if (p >= end || *p != '\'')
        return p;
    int32_t a = fold(peek(p + 1, end, &second), ignore_case),
            b = fold(peek(second, end, &third), ignore_case);
    after = p;
    if (a == 's' || a == 't' || a == 'm' || a == 'd')
        after = second;
    else if (((a == 'r' || a == 'v') && b == 'e') || (a == 'l' && b == 'l'))
        after = third;
    return after;
}

/* The end of the spaces at p, by \s+(?!\S)|\s+: the last space before something else is left for
 * it. */
static const char *spaces(const char *p, const char *end)
{
    const char *stop = run_of(unicode_is_space, p, end), *next, *last = p;
    if (stop == end)
        return stop;
    for (const char *q = p; q < stop; q = next) {
        last = q;
        peek(q, end, &next);
    }
    return last > p ? last : stop;
}

static const char *next_qwen2(const char *p, const char *end)
{
    const char *q = contraction(p, end, true), *second;
    if (q > p)
        return q;
    int32_t first = peek(p, end, &second);
    if (unicode_is_letter(first))
        return run_of(unicode_is_letter, p, end);
    if (!is_line_end(first) && !unicode_is_number(first) &&
        (q = run_of(unicode_is_letter, second, end)) > second)
        return q;
    if (unicode_is_number(first))
        return second;
    q = first == ' ' ? second : p;
    const char *others = run_of(is_other, q, end);
    if (others > q)
        return run_of(is_line_end, others, end);
    /* Spaces: \s*[\r\n]+ takes all up to the last line end among them. */
    const char *stop = run_of(unicode_is_space, p, end), *next;
    q = p;
    for (const char *s = p; s < stop; s = next)
        if (is_line_end(peek(s, end, &next)))
            q = next;
    return q > p ? q : spaces(p, end);
}

static const char *next_gpt2(const char *p, const char *end)
{
    Class *const classes[] = {unicode_is_letter, unicode_is_number, is_other};
    const char *q = contraction(p, end, false), *start = p + (*p == ' ');
    if (q > p)
        return q;
    for (int i = 0; i < 3; i++)
        if ((q = run_of(classes[i], start, end)) > start)
            return q;
    return spaces(p, end);
}

static bool is_not_number(int32_t code)
{
    return !unicode_is_number(code);
}

const char *pieces_next(Pieces *w, size_t *count)
{
    const char *start = w->p, *after;
    if (start >= w->end)
        return NULL;
    if (!w->stop || w->stop <= start) {
        w->stop = w->end;
        if (w->rules->digits) /* numbers stand alone, the rest is cut further */
            w->stop =
                unicode_is_number(peek(start, w->end, &after)) ? after : run_of(is_not_number, start, w->end);
    }
    w->p = w->stop;
    if (w->rules->qwen2)
        w->p = next_qwen2(start, w->stop);
    if (w->rules->gpt2)
        w->p = next_gpt2(start, w->stop);
    *count = (size_t)(w->p - start);
    return start;
}
