/* The pre-tokenizers' regular expressions, scanned by hand. Alternatives are tried in their order at
 * each position, and one of them covers every character.
 *
 *   Qwen2:  (?i:'s|'t|'re|'ve|'m|'ll|'d) | [^\r\n\p{L}\p{N}]?\p{L}+ | \p{N}
 *           |  ?[^\s\p{L}\p{N}]+[\r\n]* | \s*[\r\n]+ | \s+(?!\S) | \s+
 *   GPT-2:  '(?:s|t|re|ve|m|ll|d) |  ?\p{L}+ |  ?\p{N}+ |  ?[^\s\p{L}\p{N}]+ | \s+(?!\S) | \s+
 *
 * (spaces around | are for the eye; the one before ? is part of the pattern) */
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

/* Lower case of the letters that occur in contractions; U+017F, a long s, is an s to the library. */
static int32_t fold(int32_t code, bool ignore_case)
{
    if (ignore_case && code >= 'A' && code <= 'Z')
        return code + 32;
    return ignore_case && code == 0x17F ? 's' : code;
}

/* The end of a contraction such as 'll at p, or p. */
static const char *contraction(const char *p, const char *end, bool ignore_case)
{
    const char *second, *third;
    if (p >= end || *p != '\'')
        return p;
    int32_t a = fold(peek(p + 1, end, &second), ignore_case);
    int32_t b = fold(peek(second, end, &third), ignore_case);
    if (a == 's' || a == 't' || a == 'm' || a == 'd')
        return second;
    if (((a == 'r' || a == 'v') && b == 'e') || (a == 'l' && b == 'l'))
        return third;
    return p;
}

/* The end of the spaces at p, by \s+(?!\S)|\s+: when something else follows, the last space is left
 * to it, unless it is the only one. */
static const char *spaces(const char *p, const char *end)
{
    const char *stop = run_of(unicode_is_space, p, end);
    const char *last = p;
    const char *next = p;
    while (next < stop) {
        last = next;
        peek(last, end, &next);
    }
    return stop == end || last == p ? stop : last;
}

/* The end of \s*[\r\n]+ at p: behind the last line end among the spaces. p where there is none. */
static const char *line_ends(const char *p, const char *end)
{
    const char *stop = run_of(unicode_is_space, p, end);
    const char *found = p;
    const char *next;
    while (p < stop) {
        if (is_line_end(peek(p, end, &next)))
            found = next;
        p = next;
    }
    return found;
}

static const char *next_qwen2(const char *p, const char *end)
{
    const char *second;
    const char *q = contraction(p, end, true);
    if (q > p)
        return q;
    int32_t first = peek(p, end, &second);
    if (unicode_is_letter(first))
        return run_of(unicode_is_letter, p, end);
    if (unicode_is_number(first))
        return second;
    q = is_line_end(first) ? second : run_of(unicode_is_letter, second, end);
    if (q > second) /* one character, then letters */
        return q;
    const char *start = first == ' ' ? second : p;
    q = run_of(is_other, start, end);
    if (q > start)
        return run_of(is_line_end, q, end);
    q = line_ends(p, end);
    return q > p ? q : spaces(p, end);
}

static const char *next_gpt2(const char *p, const char *end)
{
    Class *const classes[] = {unicode_is_letter, unicode_is_number, is_other};
    const char *start = p + (*p == ' ');
    const char *q = contraction(p, end, false);
    if (q > p)
        return q;
    for (int i = 0; i < 3; i++) {
        q = run_of(classes[i], start, end);
        if (q > start)
            return q;
    }
    return spaces(p, end);
}

static bool is_not_number(int32_t code)
{
    return !unicode_is_number(code);
}

/* The end of the part that `digits` leaves whole: one number character, or all up to the next. */
static const char *digits_stop(const char *p, const char *end)
{
    const char *next;
    return unicode_is_number(peek(p, end, &next)) ? next : run_of(is_not_number, p, end);
}

const char *pieces_next(Pieces *w, size_t *count)
{
    const char *start = w->p;
    if (start >= w->end)
        return NULL;
    if (!w->stop || w->stop <= start)
        w->stop = w->rules->digits ? digits_stop(start, w->end) : w->end;
    w->p = w->rules->qwen2  ? next_qwen2(start, w->stop)
           : w->rules->gpt2 ? next_gpt2(start, w->stop)
                            : w->stop;
    *count = (size_t)(w->p - start);
    return start;
}
