/* Scores and the most frequent answer: src/data/metrics.c and vqa.c, on rows by hand and on the 20,000 of
 * golden/data/metrics.json (ref/golden_metrics.py); the built-in instructions: src/data/task.c. */
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/random.h"
#include "data/items.h"
#include "data/metrics.h"
#include "data/task.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* answers: a JSON list. */
static void expect(Score *metric, const char *prediction, const char *answers, double wanted)
{
    Error e = {0};
    json_error_t why;
    json_t *list = json_loads(answers, 0, &why);
    assert_non_null(list);
    const double score = metric(prediction, list, &e);
    assert_int_equal(e.status, OK);
    json_decref(list);
    if (!(fabs(score - wanted) <= 1e-9))
        fail_msg("\"%s\" against %s: %g, wanted %g; read src/data/metrics.c", prediction, answers, score,
                 wanted);
}

static void test_most_frequent(void **state)
{
    (void)state;
    json_t *list = json_pack("[s, s, s, s, s]", "a", "b", "b", "c", "c");
    assert_string_equal(most_frequent(list), "b"); /* the first of equals */
    json_decref(list);
    assert_string_equal(most_frequent(NULL), "");
}

static void test_mpa(void **state)
{
    (void)state;
    expect(metric_mpa, "It is Napa Valley, CA.", "[\"Napa valley\"]", 1);
    expect(metric_mpa, "Napa", "[\"Napa valley\"]", 0);
    expect(metric_mpa, "2020", "[\"2\"]", 1);     /* a substring counts */
    expect(metric_mpa, "057", "[\"0.57\"]", 1);   /* and so does a number without its point */
    expect(metric_mpa, "x", "[\"-\"]", 1);        /* nothing stands in everything */
    expect(metric_mpa, "b", "[\"a\", \"b\"]", 0); /* the most frequent answer alone, the first of equals */
}

#define FOUR(label) "[\"" label "\",\"" label "\",\"" label "\",\"" label "\"]"

static void test_vqa(void **state)
{
    (void)state;
    const char *ten = "[\"red\",\"red\",\"red\",\"blue\",\"blue\",\"green\",\"x\",\"x\",\"x\",\"x\"]";
    /* a label left out: 1 match for blue itself, 2 for the others */
    expect(metric_vqa, "blue", ten, (2 * 1 / 3.0 + 8 * 2 / 3.0) / 10);
    expect(metric_vqa, "red", ten, (3 * 2 / 3.0 + 7 * 1.0) / 10);
    expect(metric_vqa, "x", ten, 1);
    expect(metric_vqa, "yellow", ten, 0);
    expect(metric_vqa, "The Two dogs.", FOUR("2 dogs"), 1);
    expect(metric_vqa, "1,000", FOUR("1000"), 1);
    expect(metric_vqa, "t-shirt", FOUR("t shirt"), 1);
    expect(metric_vqa, "don't know", FOUR("dont know"), 1);
    expect(metric_vqa, "the dog's", FOUR("dog 's"), 1);
    expect(metric_vqa, "1.5", FOUR("15"), 0);
    expect(metric_vqa, "yes!", FOUR("Yes"), 1);
    expect(metric_vqa, "", FOUR("a"), 1);      /* an article is nothing */
    expect(metric_vqa, "yes", "[\"yes\"]", 0); /* left out, a single label leaves none */
    expect(metric_vqa, "yes", "[\"yes\", \"no\", \"yes\"]", (2 * 1 / 3.0 + 2 / 3.0) / 3);
}

static void test_vqa_2015(void **state)
{
    (void)state;
    expect(metric_vqa_2015, "Yes", FOUR("yes"), 0); /* nothing is processed where all labels agree */
    expect(metric_vqa_2015, " yes", FOUR("yes\\n"), 1);
    expect(metric_vqa_2015, "Yes!", "[\"yes\",\"yes\",\"yes\",\"yes\",\"no\"]", 1);
    expect(metric_vqa_2015, "1,000!x", "[\"1000x\",\"1000x\",\"1000x\",\"1000x\",\"no\"]", 1);
}

static void test_anls(void **state)
{
    (void)state;
    expect(metric_anls, " Coca Cola ", "[\"coca cola\"]", 1);
    expect(metric_anls, "coca colo", "[\"x\", \"coca cola\"]", 1 - 1 / 9.0);
    expect(metric_anls, "ab", "[\"ac\"]", 0.5); /* half is enough */
    expect(metric_anls, "abc", "[\"ade\"]", 0);
    expect(metric_anls, "a  b", "[\"a b\"]", 1);
    expect(metric_anls, " ab", "[\"ac\"]", 2 / 3.0); /* the length is that of the text as it stands */
    expect(metric_anls, "abc", "[\"abd\"]", 2 / 3.0);
    expect(metric_anls, "\xC3\x89t\xC3\xA9", "[\"\\u00e9t\\u00e9\"]", 1);
    expect(metric_anls, "", "[\"a\"]", 0);
}

static void test_relaxed(void **state)
{
    (void)state;
    expect(metric_relaxed, "104.9", "[\"100\"]", 1);
    expect(metric_relaxed, "105.1", "[\"100\"]", 0);
    expect(metric_relaxed, "-95", "[\"-100\"]", 1);
    expect(metric_relaxed, "57 %", "[\"0.57\"]", 1);
    expect(metric_relaxed, "0.0", "[\"0\"]", 0); /* nothing is 5 % of nothing: compared as text */
    expect(metric_relaxed, "0", "[\"0\"]", 1);
    expect(metric_relaxed, "Yes", "[\"yes\"]", 1);
    expect(metric_relaxed, "2,000", "[\"2000\"]", 0);
    expect(metric_relaxed, " Yes\n", "[\"yes\"]",
           1); /* as answers come from models that begin with a space */
    expect(metric_relaxed, "1_00", "[\"100\"]", 1);
    expect(metric_relaxed, "0x64", "[\"100\"]", 0);
    expect(metric_relaxed, "inf", "[\"inf\"]", 0); /* they are numbers, and infinity is no 5 % of anything */
}

/* ------------------------------------------------------------------------------------ the hard rows */

/* The random numbers of a row, one after another. */
typedef struct {
    uint64_t seed, row, counter;
} Draw;

static uint64_t draw(Draw *d, uint64_t below)
{
    d->counter++;
    return random_u64(d->seed, d->row, d->counter - 1) % below;
}

/* Pieces of a base, one of which may be changed, put together. */
static void draw_answer(Text *out, Draw *d, const uint64_t *base, uint64_t count, const json_t *pieces)
{
    Error e = {0};
    uint64_t piece[4];
    memcpy(piece, base, (size_t)count * sizeof *piece);
    const uint64_t change = draw(d, 4);
    if (change < 2) {
        const uint64_t at = draw(d, count);
        piece[at] = change ? piece[at] ^ 1 : draw(d, json_array_size(pieces));
    }
    const uint64_t between = draw(d, 3);
    text_clear(out);
    text_add(out, "", &e);
    for (uint64_t i = 0; i < count; i++) {
        text_add(out, i && between ? " " : "", &e);
        text_add(out, json_string_value(json_array_get(pieces, (size_t)piece[i])), &e);
    }
    assert_int_equal(e.status, OK);
}

static void draw_words(Text *said, json_t *labels, Draw *d, const json_t *pieces)
{
    uint64_t base[4];
    Text label = {0};
    Text first = {0};
    const uint64_t count = 1 + draw(d, 4);
    for (uint64_t i = 0; i < count; i++)
        base[i] = draw(d, json_array_size(pieces));
    const uint64_t n = draw(d, 2) ? 10 : 1 + draw(d, 9);
    const bool agree = draw(d, 8) == 0;
    draw_answer(&first, d, base, count, pieces);
    draw_answer(said, d, base, count, pieces);
    for (uint64_t i = 0; i < n; i++) {
        if (!agree)
            draw_answer(&label, d, base, count, pieces);
        json_array_append_new(labels, json_string(text_string(agree ? &first : &label)));
    }
    text_free(&label);
    text_free(&first);
}

/* `value` hundredths, up to 8 % more or less. */
static void draw_number(Text *out, Draw *d, uint64_t value)
{
    Error e = {0};
    const uint64_t v = value * (92 + draw(d, 17)) / 100;
    const char *sign = draw(d, 8) == 0 ? "-" : "";
    const char *percent = draw(d, 6) == 0 ? "%" : "";
    text_clear(out);
    text_format(out, &e, "%s%llu.%02llu%s", sign, (unsigned long long)v / 100, (unsigned long long)v % 100,
                percent);
}

static void draw_numbers(Text *said, json_t *labels, Draw *d, const json_t *numbers)
{
    Text label = {0};
    Error e = {0};
    text_clear(said);
    if (draw(d, 2)) {
        text_add(said, json_string_value(json_array_get(numbers, draw(d, json_array_size(numbers)))), &e);
        text_add(&label, json_string_value(json_array_get(numbers, draw(d, json_array_size(numbers)))), &e);
    } else {
        const uint64_t value = draw(d, 100000);
        draw_number(said, d, value);
        draw_number(&label, d, value);
    }
    json_array_append_new(labels, json_string(text_string(&label)));
    text_free(&label);
}

/* A row as in words it stands in the golden: prediction, labels, scores. */
static void check_shown(const json_t *shown, int64_t i, const Text *said, const json_t *labels)
{
    const json_t *row = json_array_get(shown, (size_t)i);
    Error e = {0};
    assert_string_equal(text_string(said), json_string_value(json_array_get(row, 0)));
    assert_true(json_equal(labels, json_array_get(row, 1)));
    for (size_t m = 0; m < METRICS; m++) {
        const double wanted = json_number_value(json_array_get(row, 2 + m));
        const double got = metrics[m].score(text_string(said), labels, &e);
        if (!(fabs(got - wanted) <= 1e-9))
            fail_msg("row %lld, \"%s\": %s gives %g, Python %g; read src/data/metrics.c, vqa.c", (long long)i,
                     text_string(said), metrics[m].name, got, wanted);
    }
}

/* Takes the row's texts and scores into the block's hashes. */
static void hash_row(uint64_t *h, const Text *said, const json_t *labels)
{
    Error e = {0};
    h[METRICS] = hash_text(h[METRICS], text_string(said));
    for (size_t i = 0; i < json_array_size(labels); i++)
        h[METRICS] = hash_text(h[METRICS], json_string_value(json_array_get(labels, i)));
    for (int m = 0; m < METRICS; m++) {
        char digits[32];
        const double score = metrics[m].score(text_string(said), labels, &e);
        snprintf(digits, sizeof digits, "%lld", llround(score * 1e9));
        h[m] = hash_text(h[m], digits);
    }
    assert_int_equal(e.status, OK);
}

static void check_block(const uint64_t *h, const json_t *hashes, size_t block)
{
    for (int m = 0; m <= METRICS; m++) {
        char got[17];
        const char *name = m == METRICS ? "rows" : metrics[m].name;
        snprintf(got, sizeof got, "%016llx", (unsigned long long)h[m]);
        const char *wanted = json_string_value(json_array_get(json_object_get(hashes, name), block));
        if (!wanted || strcmp(got, wanted))
            fail_msg("rows from %zu00 on: %s is another than Python's; read src/data/metrics.c, vqa.c", block,
                     name);
    }
}

static void test_hard_rows(void **state)
{
    (void)state;
    Error e = {0};
    Json golden = {0};
    Text said = {0};
    assert_int_equal(json_open(&golden, "golden/data/metrics.json", 1 << 20, &e), OK);
    const json_t *pieces = json_object_get(golden.root, "pieces");
    const json_t *numbers = json_object_get(golden.root, "numbers");
    const json_t *shown = json_object_get(golden.root, "shown");
    const int64_t rows = json_integer_value(json_object_get(golden.root, "rows"));
    const int64_t block = json_integer_value(json_object_get(golden.root, "block"));
    uint64_t h[METRICS + 1];
    assert_true(rows == 20000 && block == 100 && json_array_size(shown) > 50);
    for (int64_t i = 0; i < rows; i++) {
        Draw d = {(uint64_t)json_integer_value(json_object_get(golden.root, "seed")), (uint64_t)i, 0};
        json_t *labels = json_array();
        if (draw(&d, 3) == 0)
            draw_numbers(&said, labels, &d, numbers);
        else
            draw_words(&said, labels, &d, pieces);
        if (i < (int64_t)json_array_size(shown))
            check_shown(shown, i, &said, labels);
        for (int m = 0; i % block == 0 && m <= METRICS; m++)
            h[m] = HASH_START;
        hash_row(h, &said, labels);
        if (i % block == block - 1)
            check_block(h, json_object_get(golden.root, "hashes"), (size_t)(i / block));
        json_decref(labels);
    }
    text_free(&said);
    json_close(&golden);
}

/* The demo's teacher was trained on exactly this instruction. */
static void test_instructions(void **state)
{
    (void)state;
    Error e = {0};
    Text text = {0};
    assert_int_equal(file_read(&text, "ref/prompts/okvqa.txt", 10000, &e), OK);
    assert_string_equal(text_string(&text), task_find("okvqa")->prompt);
    text_free(&text);
    static const struct {
        const char *task, *metric;
    } rows[] = {{"textvqa", "vqa"}, {"stvqa", "anls"}, {"chartqa", "relaxed"}, {"okvqa", "vqa"}};
    for (int i = 0; i < 4; i++) {
        const Task *t = task_find(rows[i].task);
        assert_non_null(t);
        assert_string_equal(metrics[t->metric].name, rows[i].metric);
        assert_non_null(strstr(t->prompt, "Question: "));
        assert_non_null(strstr(t->prompt, "Answer: "));
    }
    assert_null(task_find("vqa"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_most_frequent), cmocka_unit_test(test_mpa),
        cmocka_unit_test(test_vqa),           cmocka_unit_test(test_vqa_2015),
        cmocka_unit_test(test_anls),          cmocka_unit_test(test_hard_rows),
        cmocka_unit_test(test_relaxed),       cmocka_unit_test(test_instructions)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
