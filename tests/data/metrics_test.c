/* Scores and the most frequent answer: src/data/metrics.c; the built-in instructions: src/data/task.c. */
#include "base/file.h"
#include "data/items.h"
#include "data/metrics.h"
#include "data/task.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
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

static void test_vqa(void **state)
{
    (void)state;
    const char *ten = "[\"red\",\"red\",\"red\",\"blue\",\"blue\",\"green\",\"x\",\"x\",\"x\",\"x\"]";
    /* a label left out: 1 match for blue itself, 2 for the others */
    expect(metric_vqa, "blue", ten, (2 * 1 / 3.0 + 8 * 2 / 3.0) / 10);
    expect(metric_vqa, "red", ten, (3 * 2 / 3.0 + 7 * 1.0) / 10);
    expect(metric_vqa, "x", ten, 1);
    expect(metric_vqa, "yellow", ten, 0);
    expect(metric_vqa, "The Two dogs.", "[\"2 dogs\"]", 1);
    expect(metric_vqa, "1,000", "[\"1000\"]", 1);
    expect(metric_vqa, "t-shirt", "[\"t shirt\"]", 1);
    expect(metric_vqa, "don't know", "[\"dont know\"]", 1);
    expect(metric_vqa, "1.5", "[\"15\"]", 0);
    expect(metric_vqa, "yes!", "[\"Yes\"]", 1);
    expect(metric_vqa, "", "[\"a\"]", 1); /* an article is nothing */
}

static void test_anls(void **state)
{
    (void)state;
    expect(metric_anls, " Coca Cola ", "[\"coca cola\"]", 1);
    expect(metric_anls, "coca colo", "[\"x\", \"coca cola\"]", 1 - 1 / 9.0);
    expect(metric_anls, "ab", "[\"ac\"]", 0); /* half is not enough */
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
        cmocka_unit_test(test_vqa),           cmocka_unit_test(test_anls),
        cmocka_unit_test(test_relaxed),       cmocka_unit_test(test_instructions)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
