/* The journal: what is taken from a file that is there, and how questions are put into groups. src/job/journal.c. */
#include "fixture/scratch.h"

#include "base/file.h"
#include "base/memory.h"
#include "job/journal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const volatile int no_stop = 0;

enum { QUESTIONS = 3 };

/* Who answers: chooses groups of two, and counts. */
typedef struct {
    int64_t chosen, groups, asked;
} Who;

static Status describe(void *who, json_t *context, Error *e)
{
    (void)who;
    (void)context;
    return e->status;
}

static Status begin(void *who, const Question *q, int64_t *batch, Error *e)
{
    Who *w = who;
    (void)q;
    w->chosen += !*batch;
    *batch = *batch ? *batch : 2;
    return e->status;
}

static Status answer(void *who, const Question *questions, const uint64_t *keys, int64_t count, char **texts,
                     Error *e)
{
    Who *w = who;
    (void)questions;
    (void)keys;
    w->groups++;
    w->asked += count;
    for (int64_t i = 0; i < count; i++)
        texts[i] = memory_copy("said", e);
    return e->status;
}

/* Asks all questions in the scratch folder. */
static Who ask(Scratch *s)
{
    Who who = {0};
    Error e = {0};
    Questions q = {0};
    char *texts[QUESTIONS] = {NULL};
    Job job = {.stop = &no_stop, .folder = s->folder};
    log_init(&job.log, true, false);
    json_t *id = json_integer(1);
    for (int i = 0; i < QUESTIONS; i++)
        questions_add(&q, i, id, NULL, (const char *[]){"who", "what", "where"}[i], NULL, NULL, &e);
    json_decref(id);
    if (journal_run(&job, "annotate", &q, &(GroupWork){&who, describe, begin, answer}, texts, &e) != OK)
        fail_msg("%s", e.text);
    for (int i = 0; i < QUESTIONS; i++) {
        assert_string_equal(texts[i], "said");
        free(texts[i]);
    }
    questions_free(&q);
    return who;
}

/* Asks again where the journal has nothing but its first line, and there this batch. */
static Who ask_with(Scratch *s, const char *batch)
{
    Text text = {0};
    Error e = {0};
    char line[200];
    assert_int_equal(file_read(&text, scratch_path(s, "answers.jsonl"), 10000, &e), OK);
    const char *number = strstr(text_string(&text), "\"batch\":");
    assert_non_null(number);
    snprintf(line, sizeof line, "%.*s\"batch\":%s}\n", (int)(number - text_string(&text)), text_string(&text),
             batch);
    text_free(&text);
    scratch_write(s, "answers.jsonl", line, strlen(line));
    return ask(s);
}

static void test_groups(void **state)
{
    static const struct {
        const char *batch;
        int64_t chosen, groups;
    } cases[] = {{"1", 0, 3},
                 {"2", 0, 2},
                 {"3", 0, 1},
                 {"77777777773", 0, 1}, /* more than memory holds */
                 {"9223372036854775807", 0, 1},
                 {"0", 1, 2}, /* no size of a group: one is chosen */
                 {"-9223372036854775808", 1, 2},
                 {"\"2\"", 1, 2}};
    Scratch s;
    (void)state;
    scratch_make(&s);
    Who who = ask(&s);
    assert_int_equal(who.chosen, 1);
    assert_int_equal(who.groups, 2);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        who = ask_with(&s, cases[i].batch);
        assert_int_equal(who.chosen, cases[i].chosen);
        assert_int_equal(who.groups, cases[i].groups);
        assert_int_equal(who.asked, QUESTIONS);
        assert_int_equal(ask(&s).asked, 0);
    }
    scratch_remove(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_groups)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
