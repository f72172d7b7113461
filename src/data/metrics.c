#include "data/metrics.h"

#include "base/memory.h"
#include "base/number.h"
#include "base/utf8.h"
#include "base/word.h"
#include "base/text.h"
#include "data/items.h"
#include "data/match.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

bool metric_mpa(double *score, const char *prediction, const json_t *answers, Error *e)
{
    Text a = {0}, p = {0};
    bool ok = match_normalise(&a, most_frequent(answers), e) && match_normalise(&p, prediction, e);
    *score = ok && match_contains(text_string(&a), text_string(&p));
    text_free(&a);
    text_free(&p);
    return ok;
}

/* The VQA evaluation's form of a word: number words as digits, articles dropped (""). */
static const char *vqa_word(const char *word)
{
    static const char *const pairs[][2] = {{"none", "0"},  {"zero", "0"},  {"one", "1"},  {"two", "2"},
                                           {"three", "3"}, {"four", "4"},  {"five", "5"}, {"six", "6"},
                                           {"seven", "7"}, {"eight", "8"}, {"nine", "9"}, {"ten", "10"},
                                           {"a", ""},      {"an", ""},     {"the", ""}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (!strcmp(word, pairs[i][0]))
            return pairs[i][1];
    return word;
}

/* Which of the marks vanish from s, by the VQA evaluation's rule: those that stand beside a
 * space somewhere, and all of them where a comma stands between digits. The others become
 * spaces. */
static void vqa_vanishing(const char *s, const char *marks, bool *vanishes)
{
    bool all = false;
    for (const char *p = s; *p; p++)
        all |= *p == ',' && p > s && isdigit((unsigned char)p[-1]) && isdigit((unsigned char)p[1]);
    for (size_t i = 0; marks[i]; i++) {
        vanishes[i] = all;
        for (const char *p = s; *p; p++)
            vanishes[i] |= *p == marks[i] && (p[1] == ' ' || (p > s && p[-1] == ' '));
    }
}

/* Lower case, marks away, points kept before a digit only, apostrophes away (so that "dont" is
 * "don't"), words by vqa_word with one space between. */
static bool vqa_normalise(Text *out, const char *s, Error *e)
{
    static const char marks[] = ";/[]\"{}()=+\\_-><@`,?!";
    bool vanishes[sizeof marks];
    Text word = {0};
    bool ok = text_add(out, "", e) && text_add(&word, "", e);
    vqa_vanishing(s, marks, vanishes);
    for (const char *p = s;; p++) {
        const char *mark = *p ? strchr(marks, *p) : NULL;
        char c = mark && !vanishes[mark - marks] ? ' ' : *p;
        if (mark && c != ' ')
            continue;
        if (c && !isspace((unsigned char)c)) {
            char lower = (char)tolower((unsigned char)c);
            if (c != '\'' && (c != '.' || isdigit((unsigned char)p[1])))
                ok = ok && text_add_bytes(&word, &lower, 1, e);
            continue;
        }
        const char *form = vqa_word(text_string(&word));
        ok = ok && (!*form || text_format(out, e, "%s%s", out->count ? " " : "", form));
        text_clear(&word);
        if (!c)
            break;
    }
    text_free(&word);
    return ok;
}

bool metric_vqa(double *score, const char *prediction, const json_t *answers, Error *e)
{
    Text p = {0}, a = {0};
    bool ok = vqa_normalise(&p, prediction, e);
    double n = (double)json_array_size(answers), matching = 0;
    for (size_t i = 0; i < json_array_size(answers) && ok; i++) {
        text_clear(&a);
        ok = vqa_normalise(&a, json_string_value(json_array_get(answers, i)), e);
        matching += ok && !strcmp(text_string(&a), text_string(&p));
    }
    /* Left out in turn: a matching label sees one match less, another sees all. */
    double less = fmin(1, (matching - 1) / 3), all = fmin(1, matching / 3);
    *score = n < 4 ? matching > 0 : matching > 0 ? (matching * less + (n - matching) * all) / n : 0;
    text_free(&p);
    text_free(&a);
    return ok;
}

/* The code points of s in lower case, trimmed of spaces; owned, NULL without memory. */
static int32_t *code_points(const char *s, int64_t *count, Error *e)
{
    while (isspace((unsigned char)*s))
        s++;
    size_t n = strlen(s);
    while (n && isspace((unsigned char)s[n - 1]))
        n--;
    int32_t *out = memory_new((int64_t)n, sizeof *out, e);
    *count = 0;
    for (const char *p = s, *end = s + n; out && p < end;) {
        int used;
        int32_t c = utf8_decode(p, end, &used);
        out[(*count)++] = c < 0 ? c : (int32_t)utf8proc_tolower(c);
        p += used;
    }
    return out;
}

bool metric_anls(double *score, const char *prediction, const json_t *answers, Error *e)
{
    int64_t n;
    int32_t *p = code_points(prediction, &n, e);
    *score = 0;
    for (size_t i = 0; i < json_array_size(answers) && e->status == OK; i++) {
        int64_t m;
        int32_t *a = code_points(json_string_value(json_array_get(answers, i)), &m, e);
        int64_t *row = memory_new(m + 1, sizeof *row, e);
        int64_t longer = max_i64(n, m);
        double distance = row ? (double)edit_distance(p, n, a, m, row) : (double)longer;
        double s = longer ? 1 - distance / (double)longer : 1;
        if (s > 0.5 && s > *score)
            *score = s;
        free(row);
        free(a);
    }
    free(p);
    return e->status == OK;
}

/* A number, with a percent sign as hundredths. */
static bool chart_number(const char *s, double *value)
{
    char copy[64];
    while (isspace((unsigned char)*s))
        s++;
    size_t n = strlen(s);
    while (n && isspace((unsigned char)s[n - 1]))
        n--;
    bool percent = n && s[n - 1] == '%';
    n -= percent;
    while (n && isspace((unsigned char)s[n - 1]))
        n--;
    if (!n || n >= sizeof copy)
        return false;
    memcpy(copy, s, n);
    copy[n] = 0;
    bool ok = parse_real(copy, value);
    *value = percent ? *value / 100 : *value;
    return ok;
}

bool metric_relaxed(double *score, const char *prediction, const json_t *answers, Error *e)
{
    double p, a;
    *score = 0;
    for (size_t i = 0; i < json_array_size(answers); i++) {
        const char *answer = json_string_value(json_array_get(answers, i));
        int64_t n, m;
        if (chart_number(prediction, &p) && chart_number(answer, &a) && (a < 0 || a > 0)) {
            *score = fabs(p - a) / fabs(a) <= 0.05 ? 1 : *score;
            continue;
        }
        int32_t *x = code_points(prediction, &n, e), *y = code_points(answer, &m, e);
        if (x && y && n == m && !memcmp(x, y, (size_t)n * sizeof *x))
            *score = 1;
        free(x);
        free(y);
    }
    return e->status == OK;
}
