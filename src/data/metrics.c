/* The metrics; VQA accuracy is in vqa.c. Labels and predictions are UTF-8; what a metric does to them before it
 * compares is part of its definition, and Python's. Sources: the published MPA code (mpa); the code of the
 * Robust Reading challenges, which lmms-eval shares (anls); lmms-eval's relaxed_correctness, which is Qwen-VL's
 * (relaxed). Where others differ: src/MODEL.md, "Scores". */
#include "data/metrics.h"

#include "base/memory.h"
#include "base/number.h"
#include "base/text.h"
#include "base/utf8.h"
#include "data/distance.h"
#include "data/match.h"
#include "text/unicode.h"
#include "text/unicode_python.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const Metric metrics[METRICS] = {
    [METRIC_MPA] = {"mpa", metric_mpa},
    [METRIC_VQA] = {"vqa", metric_vqa},
    [METRIC_VQA_2015] = {"vqa-2015", metric_vqa_2015},
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
    return match_right(most_frequent(answers), prediction, e);
}

/* ------------------------------------------------------------------------------------------- ANLS */

/* The code points of a text. Owned. */
typedef struct {
    int32_t *code;
    int64_t count;
} Codes;

/* In lower case, one space for each white space within and none around. */
static Codes words_of(const char *s, Error *e)
{
    Text lower = {0};
    python_lower(&lower, s, e);
    const char *p = text_string(&lower);
    const char *end = p + lower.count;
    Codes words = {memory_new((int64_t)lower.count, sizeof *words.code, e), 0};
    bool space = false;
    while (p < end && e->status == OK) {
        int used;
        const int32_t code = utf8_decode(p, end, &used);
        p += used;
        if (unicode_is_python_space(code)) {
            space = words.count > 0;
            continue;
        }
        if (space)
            words.code[words.count++] = ' ';
        words.code[words.count++] = code;
        space = false;
    }
    text_free(&lower);
    return words;
}

/* The length of str.upper() of the text as it stands. */
static int64_t upper_length(const char *s)
{
    const char *end = s + strlen(s);
    int64_t length = 0;
    while (s < end) {
        int used;
        const int32_t code = utf8_decode(s, end, &used);
        length += code < 0 ? 0 : python_upper_length(code);
        s += used;
    }
    return length;
}

double metric_anls(const char *prediction, const json_t *answers, Error *e)
{
    Codes said = words_of(prediction, e);
    double best = 0;
    for (size_t i = 0; i < json_array_size(answers) && e->status == OK; i++) {
        Codes answer = words_of(label(answers, i), e);
        const int64_t longer = max_i64(upper_length(prediction), upper_length(label(answers, i)));
        const int64_t distance = text_distance(said.code, said.count, answer.code, answer.count, e);
        best = fmax(best, longer ? 1 - (double)distance / (double)longer : 1);
        free(answer.code);
    }
    free(said.code);
    return e->status == OK && best >= 0.5 ? best : 0;
}

/* ------------------------------------------------------------------------------- relaxed accuracy */

/* What Python's float() reads: digits of any script as ASCII, an underscore between digits left out; longer
 * texts than `room` are no numbers of a chart. */
static bool plain_number(char *out, size_t room, const char *s, size_t count)
{
    const char *end = s + count;
    size_t n = 0;
    bool after_digit = false;
    while (s < end && n + 1 < room) {
        int used;
        const int32_t code = utf8_decode(s, end, &used);
        const int digit = python_digit(code);
        s += used;
        if (code == '_' && after_digit && s < end && python_digit(utf8_decode(s, end, &used)) >= 0)
            continue;
        if (code < 0 || (code > 127 && digit < 0))
            return false;
        out[n++] = (char)(digit >= 0 ? '0' + digit : code);
        after_digit = digit >= 0;
    }
    out[n] = 0;
    return s == end;
}

/* float(s) of Python; false where it raises. */
static bool python_real(const char *s, size_t count, double *value)
{
    char plain[400];
    char *end;
    s = unicode_strip(s, &count);
    if (!count || !plain_number(plain, sizeof plain, s, count))
        return false;
    if (strpbrk(plain, "xX(")) /* which strtod alone takes */
        return false;
    *value = strtod(plain, &end);
    return end != plain && !*end;
}

/* A number; with percent signs at its end, as hundredths. */
static bool chart_number(const char *s, size_t count, double *value)
{
    const size_t all = count;
    while (count && s[count - 1] == '%')
        count--;
    const bool ok = python_real(s, count, value);
    *value = ok && count < all ? *value / 100 : *value;
    return ok;
}

/* Equal but for case. */
static bool same_text(const char *a, size_t count, const char *b, Error *e)
{
    Text copy = {0};
    Text x = {0};
    Text y = {0};
    text_add_bytes(&copy, a, count, e);
    python_lower(&x, text_string(&copy), e);
    python_lower(&y, b, e);
    const bool same = e->status == OK && !strcmp(text_string(&x), text_string(&y));
    text_free(&copy);
    text_free(&x);
    text_free(&y);
    return same;
}

double metric_relaxed(const char *prediction, const json_t *answers, Error *e)
{
    bool right = false;
    size_t count = strlen(prediction);
    const char *said = unicode_strip(prediction, &count);
    for (size_t i = 0; i < json_array_size(answers) && !right && e->status == OK; i++) {
        const char *answer = label(answers, i);
        double p = 0;
        double a = 0;
        const bool numbers = chart_number(said, count, &p) && chart_number(answer, strlen(answer), &a);
        if (numbers && !(a >= 0 && a <= 0))
            right = fabs(p - a) / fabs(a) <= 0.05;
        else
            right = same_text(said, count, answer, e);
    }
    return right;
}
