/* The metrics. Labels and predictions are UTF-8; what each metric does to them before it compares
 * (case, punctuation, articles) is part of its definition. Sources: the published MPA code (mpa),
 * the VQA evaluation (vqa), the ST-VQA challenge (anls), the ChartQA paper (relaxed). */
#include "data/metrics.h"

#include "base/memory.h"
#include "base/number.h"
#include "base/text.h"
#include "base/utf8.h"
#include "base/word.h"
#include "data/distance.h"
#include "data/match.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

const Metric metrics[METRICS] = {
    [METRIC_MPA] = {"mpa", metric_mpa},
    [METRIC_VQA] = {"vqa", metric_vqa},
    [METRIC_ANLS] = {"anls", metric_anls},
    [METRIC_RELAXED] = {"relaxed", metric_relaxed},
};

static const char *label(const json_t *answers, size_t i)
{
    return json_string_value(json_array_get(answers, i));
}

const char *most_frequent(const json_t *answers)
{
    const char *best = "";
    json_int_t highest = 0;
    json_t *counts = json_object(); /* from label to how often it stands there */
    for (size_t i = 0; i < json_array_size(answers); i++) {
        const json_int_t before = json_integer_value(json_object_get(counts, label(answers, i)));
        json_object_set_new(counts, label(answers, i), json_integer(before + 1));
    }
    for (size_t i = 0; i < json_array_size(answers); i++) {
        const json_int_t count = json_integer_value(json_object_get(counts, label(answers, i)));
        if (count > highest) {
            highest = count;
            best = label(answers, i);
        }
    }
    json_decref(counts);
    return best;
}

double metric_mpa(const char *prediction, const json_t *answers, Error *e)
{
    Text answer = {0};
    Text said = {0};
    match_normalise(&answer, most_frequent(answers), e);
    match_normalise(&said, prediction, e);
    const bool right = e->status == OK && match_contains(text_string(&answer), text_string(&said));
    text_free(&answer);
    text_free(&said);
    return right;
}

/* ----------------------------------------------------------------------------------- VQA accuracy */

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

/* Appends the word in the form in which it is compared; a dropped one leaves nothing. */
static void vqa_add_word(Text *out, const Text *word, Error *e)
{
    const char *form = vqa_word(text_string(word));
    if (*form)
        text_format(out, e, "%s%s", out->count ? " " : "", form);
}

/* Lower case; marks vanish or become spaces; points are kept before a digit only; apostrophes
 * vanish (so that "dont" is "don't"); words by vqa_word, with one space between. */
static Status vqa_normalise(Text *out, const char *s, Error *e)
{
    static const char marks[] = ";/[]\"{}()=+\\_-><@`,?!";
    bool vanishes[sizeof marks];
    Text word = {0};
    text_add(out, "", e);
    vqa_vanishing(s, marks, vanishes);
    for (; *s && e->status == OK; s++) {
        const char *mark = strchr(marks, *s);
        if (mark && vanishes[mark - marks])
            continue;
        if (mark || isspace((unsigned char)*s)) {
            vqa_add_word(out, &word, e);
            text_clear(&word);
        } else if (*s != '\'' && (*s != '.' || isdigit((unsigned char)s[1]))) {
            const char lower = (char)tolower((unsigned char)*s);
            text_add_bytes(&word, &lower, 1, e);
        }
    }
    vqa_add_word(out, &word, e);
    text_free(&word);
    return e->status;
}

double metric_vqa(const char *prediction, const json_t *answers, Error *e)
{
    Text said = {0};
    Text answer = {0};
    const double n = (double)json_array_size(answers);
    double matching = 0;
    vqa_normalise(&said, prediction, e);
    for (size_t i = 0; i < json_array_size(answers) && e->status == OK; i++) {
        text_clear(&answer);
        vqa_normalise(&answer, label(answers, i), e);
        matching += !strcmp(text_string(&answer), text_string(&said));
    }
    text_free(&said);
    text_free(&answer);
    if (e->status != OK || !(matching > 0))
        return 0;
    if (n < 4)
        return 1;
    /* Left out in turn: a matching label sees one match less, another sees all. */
    const double less = fmin(1, (matching - 1) / 3);
    const double all = fmin(1, matching / 3);
    return (matching * less + (n - matching) * all) / n;
}

/* ------------------------------------------------------------------------------------------- ANLS */

/* s without the spaces around it. */
static const char *trimmed(const char *s, size_t *length)
{
    while (isspace((unsigned char)*s))
        s++;
    size_t n = strlen(s);
    while (n && isspace((unsigned char)s[n - 1]))
        n--;
    *length = n;
    return s;
}

/* The code points of s in lower case, without the spaces around it; an invalid byte counts as one.
 * Owned; NULL without memory. */
static int32_t *code_points(const char *s, int64_t *count, Error *e)
{
    size_t length;
    const char *p = trimmed(s, &length);
    const char *end = p + length;
    int32_t *out = memory_new((int64_t)length, sizeof *out, e);
    int64_t n = 0;
    while (out && p < end) {
        int used;
        const int32_t c = utf8_decode(p, end, &used);
        out[n] = c < 0 ? c : (int32_t)utf8proc_tolower(c);
        n++;
        p += used;
    }
    *count = n;
    return out;
}

double metric_anls(const char *prediction, const json_t *answers, Error *e)
{
    int64_t n;
    int32_t *said = code_points(prediction, &n, e);
    double best = 0;
    for (size_t i = 0; i < json_array_size(answers) && e->status == OK; i++) {
        int64_t m;
        int32_t *answer = code_points(label(answers, i), &m, e);
        const int64_t longer = max_i64(n, m);
        const int64_t distance = text_distance(said, n, answer, m, e);
        const double similarity = longer ? 1 - (double)distance / (double)longer : 1;
        if (similarity > 0.5 && similarity > best)
            best = similarity;
        free(answer);
    }
    free(said);
    return e->status == OK ? best : 0;
}

/* ------------------------------------------------------------------------------- relaxed accuracy */

/* A number; with a percent sign, as hundredths. */
static bool chart_number(const char *s, double *value)
{
    char copy[64];
    size_t n;
    s = trimmed(s, &n);
    const bool percent = n && s[n - 1] == '%';
    n -= percent;
    while (n && isspace((unsigned char)s[n - 1]))
        n--;
    if (!n || n >= sizeof copy)
        return false;
    memcpy(copy, s, n);
    copy[n] = 0;
    const bool ok = parse_real(copy, value);
    *value = percent ? *value / 100 : *value;
    return ok;
}

/* Equal but for case and the spaces around. */
static bool same_text(const char *a, const char *b, Error *e)
{
    int64_t n;
    int64_t m;
    int32_t *x = code_points(a, &n, e);
    int32_t *y = code_points(b, &m, e);
    const bool same = x && y && n == m && !memcmp(x, y, (size_t)n * sizeof *x);
    free(x);
    free(y);
    return same;
}

double metric_relaxed(const char *prediction, const json_t *answers, Error *e)
{
    bool right = false;
    for (size_t i = 0; i < json_array_size(answers) && !right && e->status == OK; i++) {
        const char *answer = label(answers, i);
        double p;
        double a;
        if (chart_number(prediction, &p) && chart_number(answer, &a) && (a < 0 || a > 0))
            right = fabs(p - a) / fabs(a) <= 0.05;
        else
            right = same_text(prediction, answer, e);
    }
    return right;
}
