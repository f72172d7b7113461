/* VQA accuracy and what is done to answers before they are compared, as two evaluations have it:
 *
 *     vqa       lmms-eval (EvalAIAnswerProcessor): label and prediction are always processed, "'s" is a word
 *     vqa-2015  VQA's own evaluation: neither is, where all labels agree
 *
 * Both remove at most 32 points (their re.sub gets re.UNICODE, which is 32, as its count). A right label that
 * is left out in turn does not count itself:
 *
 *     accuracy = mean over labels of min(1, other labels that equal the prediction / 3)
 *
 * (Antol et al., VQA: Visual Question Answering, 2015.) */
#include "data/metrics.h"

#include "base/utf8.h"
#include "text/unicode.h"
#include "text/unicode_python.h"

#include <math.h>
#include <string.h>

/* Number words become digits, articles vanish (""). */
static const char *number_or_article(const char *word)
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

/* Whether the word is the form with exactly one of its apostrophes left out. */
static bool lacks_apostrophe(const char *word, const char *form)
{
    while (*word && *word == *form) {
        word++;
        form++;
    }
    return *form == '\'' && !strcmp(word, form + 1);
}

/* A contraction with its apostrophes; another word as it is. */
static const char *contraction(const char *word)
{
    static const char *const forms[] = {
        "ain't",        "aren't",      "can't",      "couldn't",      "didn't",       "doesn't",
        "don't",        "hadn't",      "hasn't",     "haven't",       "isn't",        "mightn't",
        "mustn't",      "needn't",     "oughtn't",   "shan't",        "shouldn't",    "wasn't",
        "weren't",      "won't",       "wouldn't",   "could've",      "might've",     "must've",
        "not've",       "should've",   "they've",    "we've",         "what've",      "where've",
        "who've",       "would've",    "you've",     "couldn't've",   "hadn't've",    "mightn't've",
        "shouldn't've", "wouldn't've", "he'd",       "how'd",         "it'd",         "someone'd",
        "something'd",  "there'd",     "they'd",     "where'd",       "who'd",        "you'd",
        "he'd've",      "it'd've",     "she'd've",   "somebody'd've", "someone'd've", "something'd've",
        "there'd've",   "they'd've",   "we'd've",    "who'd've",      "you'd've",     "how'll",
        "it'll",        "somebody'll", "someone'll", "something'll",  "they'll",      "what'll",
        "who'll",       "why'll",      "you'll",     "there're",      "they're",      "what're",
        "why're",       "you're",      "he's",       "how's",         "somebody's",   "someone's",
        "that's",       "there's",     "what's",     "when's",        "where's",      "who's",
        "why's",        "y'all",       "y'all'll",   "y'all'd've",    "ma'am",        "o'clock",
        "'twas",        "'ow's'at"};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (lacks_apostrophe(word, forms[i]))
            return forms[i];
    return strcmp(word, "somebody'd") ? word : "somebodyd"; /* so it stands in both evaluations */
}

static void add_word(Text *out, const char *word, Error *e)
{
    const char *form = number_or_article(word);
    if (*form)
        text_format(out, e, "%s%s", out->count ? " " : "", contraction(form));
}

/* Lower case, split at white space, each word in its form, one space between. */
static Status add_words(Text *out, const char *s, Error *e)
{
    Text lower = {0};
    Text word = {0};
    python_lower(&lower, s, e);
    const char *p = text_string(&lower);
    const char *end = p + lower.count;
    while (p < end && e->status == OK) {
        int used;
        if (!unicode_is_python_space(utf8_decode(p, end, &used))) {
            text_add_bytes(&word, p, (size_t)used, e);
        } else if (word.count) {
            add_word(out, text_string(&word), e);
            text_clear(&word);
        }
        p += used;
    }
    if (word.count)
        add_word(out, text_string(&word), e);
    text_free(&lower);
    text_free(&word);
    return e->status;
}

/* Whether a comma stands between digits. */
static bool has_number_comma(const char *s)
{
    const char *end = s + strlen(s);
    int32_t before[2] = {0, 0};
    while (s < end) {
        int used;
        const int32_t code = utf8_decode(s, end, &used);
        if (before[1] == ',' && python_digit(before[0]) >= 0 && python_digit(code) >= 0)
            return true;
        before[0] = before[1];
        before[1] = code;
        s += used;
    }
    return false;
}

/* Marks vanish where they stand beside a space somewhere, and all of them where a comma stands between
 * digits; else they become spaces. */
static Status remove_marks(Text *out, const char *s, Error *e)
{
    static const char marks[] = ";/[]\"{}()=+\\_-><@`,?!";
    const bool all = has_number_comma(s);
    bool vanishes[sizeof marks] = {false};
    for (const char *p = s; *p; p++) {
        const char *mark = strchr(marks, *p);
        if (mark && (all || p[1] == ' ' || (p > s && p[-1] == ' ')))
            vanishes[mark - marks] = true;
    }
    text_add(out, "", e);
    for (; *s; s++) {
        const char *mark = strchr(marks, *s);
        if (!mark)
            text_add_bytes(out, s, 1, e);
        else if (!vanishes[mark - marks])
            text_add(out, " ", e);
    }
    return e->status;
}

/* Points that no digit follows vanish, the first 32 of them. */
static Status remove_points(Text *out, const char *s, Error *e)
{
    const char *end = s + strlen(s);
    int left = 32;
    text_add(out, "", e);
    for (; *s; s++) {
        int used;
        const bool alone = *s == '.' && (s + 1 == end || python_digit(utf8_decode(s + 1, end, &used)) < 0);
        if (alone && left)
            left--;
        else
            text_add_bytes(out, s, 1, e);
    }
    return e->status;
}

static Status process(Text *out, const char *s, Error *e)
{
    Text unmarked = {0};
    Text pointless = {0};
    remove_marks(&unmarked, s, e);
    remove_points(&pointless, text_string(&unmarked), e);
    text_clear(out);
    text_add(out, "", e);
    add_words(out, text_string(&pointless), e);
    text_free(&unmarked);
    text_free(&pointless);
    return e->status;
}

/* Without spaces around, line ends and tabs as spaces. */
static Status clean(Text *out, const char *s, Error *e)
{
    size_t count = strlen(s);
    const char *first = unicode_strip(s, &count);
    text_clear(out);
    text_add_bytes(out, first, count, e);
    for (size_t i = 0; i < out->count; i++)
        if (out->data[i] == '\n' || out->data[i] == '\t')
            out->data[i] = ' ';
    return e->status;
}

/* In lower case, without commas and question marks, "'s" a word of its own. */
static Status split_possessives(Text *out, const char *s, Error *e)
{
    Text lower = {0};
    Text kept = {0};
    python_lower(&lower, s, e);
    for (const char *p = text_string(&lower); *p; p++)
        if (*p != ',' && *p != '?')
            text_add_bytes(&kept, p, 1, e);
    text_clear(out);
    text_add(out, "", e);
    for (const char *p = text_string(&kept); *p; p++) {
        if (p[0] == '\'' && p[1] == 's')
            text_add(out, " ", e);
        text_add_bytes(out, p, 1, e);
    }
    text_free(&lower);
    text_free(&kept);
    return e->status;
}

/* lmms-eval's form of an answer. */
static Status form_today(Text *out, const char *s, Error *e)
{
    Text words = {0};
    Text cleaned = {0};
    split_possessives(&words, s, e);
    clean(&cleaned, text_string(&words), e);
    process(out, text_string(&cleaned), e);
    text_free(&words);
    text_free(&cleaned);
    return e->status;
}

/* VQA's own. */
static Status form_2015(Text *out, const char *s, Error *e)
{
    Text cleaned = {0};
    clean(&cleaned, s, e);
    process(out, text_string(&cleaned), e);
    text_free(&cleaned);
    return e->status;
}

/* The accuracy, with the answers in this form. */
static double accuracy(Status (*form)(Text *out, const char *s, Error *e), const char *prediction,
                       const json_t *answers, Error *e)
{
    Text said = {0};
    Text answer = {0};
    const double n = (double)json_array_size(answers);
    double matching = 0;
    form(&said, prediction, e);
    for (size_t i = 0; i < json_array_size(answers) && e->status == OK; i++) {
        form(&answer, json_string_value(json_array_get(answers, i)), e);
        matching += !strcmp(text_string(&answer), text_string(&said));
    }
    text_free(&said);
    text_free(&answer);
    if (e->status != OK || !(matching > 0))
        return 0;
    /* Left out in turn: a matching label sees one match less, another sees all. */
    const double less = fmin(1, (matching - 1) / 3);
    const double all = fmin(1, matching / 3);
    return (matching * less + (n - matching) * all) / n;
}

/* Whether all labels are the same but for the spaces around. */
static bool labels_agree(const json_t *answers, Error *e)
{
    Text first = {0};
    Text other = {0};
    bool agree = true;
    for (size_t i = 0; i < json_array_size(answers) && agree && e->status == OK; i++) {
        clean(i ? &other : &first, json_string_value(json_array_get(answers, i)), e);
        agree = !i || !strcmp(text_string(&first), text_string(&other));
    }
    text_free(&first);
    text_free(&other);
    return agree;
}

double metric_vqa(const char *prediction, const json_t *answers, Error *e)
{
    return accuracy(form_today, prediction, answers, e);
}

double metric_vqa_2015(const char *prediction, const json_t *answers, Error *e)
{
    return accuracy(labels_agree(answers, e) ? clean : form_2015, prediction, answers, e);
}
