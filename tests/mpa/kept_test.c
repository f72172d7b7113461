/* parity.json as training takes it: pictures, marks and turns, and what is refused. */
#include "fixture/must.h"
#include "fixture/scratch.h"

#include "mpa/kept.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

typedef struct {
    Scratch scratch;
    Job job;
    Kept kept;
    Error error;
} Fixture;

/* Reads a parity.json; pictures are those of golden/model. */
static Status read_text(Fixture *f, const char *text, bool skip_missing)
{
    *f = (Fixture){0};
    scratch_make(&f->scratch);
    scratch_write(&f->scratch, "parity.json", text, strlen(text));
    const char *conf = scratch_write(&f->scratch, "c.ini", "[data]\n", 7);
    char *given[] = {"data.image_root=golden/model",
                     skip_missing ? "data.missing=skip" : "data.missing=error",
                     "evaluate.questions=none.json"};
    config_load(&f->job.config, conf, given, 3, &f->error);
    must(&f->error);
    f->job.folder = f->scratch.folder;
    return kept_read(&f->kept, &f->job, &f->error);
}

static void finish(Fixture *f)
{
    kept_free(&f->kept);
    config_free(&f->job.config);
    scratch_remove(&f->scratch);
}

#define HUMAN(text) "{\"from\": \"human\", \"value\": \"" text "\"}"
#define GPT(text) "{\"from\": \"gpt\", \"value\": \"" text "\"}"
#define ENTRY(image, conversations)                                                                          \
    "{\"id\": 7, \"image\": " image ", \"conversations\": [" conversations "]}"

/* The form that identify writes: one picture in front; every family takes it. */
static void one_picture(void **state)
{
    (void)state;
    Fixture f;
    read_text(&f, "[" ENTRY("\"odd.png\"", HUMAN("<image>\\nwhat\\n<b>") ", " GPT("it")) "]", false);
    must(&f.error);
    const Question *q = f.kept.question;
    assert_int_equal(f.kept.count, 1);
    assert_true(q->n_images == 1 && !q->before && !q->next);
    assert_string_equal(q->images[0], "golden/model/odd.png");
    assert_string_equal(q->text, "what\n<b>");
    assert_string_equal(q->answer, "it");
    assert_string_equal(q->id, "7");
    finish(&f);
}

/* Marks take the pictures in their order, over all turns; a line end on each side goes with a mark. */
static void pictures_and_turns(void **state)
{
    (void)state;
    Fixture f;
    read_text(&f,
              "[" ENTRY("[\"odd.png\", \"tall.png\", \"wide.png\"]",
                        HUMAN("a\\n\\n<image>\\n\\nb<image>") ", " GPT("one") ", " HUMAN("then") ", " GPT(
                            "two") ", " HUMAN("<image> c") ", " GPT("three")) "]",
              false);
    must(&f.error);
    const Question *q = f.kept.question;
    assert_true(f.kept.count == 1 && q->n_images == 2 && q->before);
    assert_string_equal(q->before[0], "a\n");
    assert_string_equal(q->before[1], "\nb");
    assert_string_equal(q->text, "");
    assert_string_equal(q->images[1], "golden/model/tall.png");
    q = q->next;
    assert_true(q && !q->n_images && !strcmp(q->text, "then") && !strcmp(q->answer, "two"));
    q = q->next;
    assert_true(q && q->n_images == 1 && !q->before && !q->next);
    assert_string_equal(q->images[0], "golden/model/wide.png");
    assert_string_equal(q->text, " c");
    finish(&f);
}

static void without_pictures(void **state)
{
    (void)state;
    Fixture f;
    read_text(&f,
              "[" ENTRY("null", HUMAN("q") ", " GPT("a")) ", " ENTRY(
                  "[]", HUMAN("q") ", " GPT("a")) ", {\"id\": \"x\", "
                                                  "\"conversations\": [" HUMAN("q") ", " GPT("a") "]}]",
              false);
    must(&f.error);
    assert_int_equal(f.kept.count, 3);
    assert_true(!f.kept.question[2].n_images && !strcmp(f.kept.question[2].id, "x"));
    finish(&f);
}

/* A pair whose picture is missing is left out as a whole, where that is allowed. */
static void missing(void **state)
{
    (void)state;
    static const char text[] =
        "[" ENTRY("[\"odd.png\", \"none.png\"]", HUMAN("<image><image>") ", " GPT("a")) ", " ENTRY(
            "\"odd.png\"", HUMAN("<image>") ", " GPT("b")) "]";
    Fixture f;
    read_text(&f, text, true);
    must(&f.error);
    assert_int_equal(f.kept.count, 1);
    assert_string_equal(f.kept.question[0].answer, "b");
    finish(&f);
    assert_int_equal(read_text(&f, text, false), BAD_INPUT);
    finish(&f);
}

static void refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *expected;
        Status status;
    } rows[] = {
        {"[" ENTRY("\"odd.png\"", HUMAN("<image>\\nq <image>") ", " GPT("a")) "]",
         "more marks <image> than pictures", BAD_INPUT},
        {"[" ENTRY("\"odd.png\"", HUMAN("q") ", " GPT("a")) "]", "more pictures than marks <image>",
         BAD_INPUT},
        {"[" ENTRY("[\"odd.png\", \"tall.png\"]", HUMAN("<image>q") ", " GPT("a")) "]",
         "entry 0 (id 7): there are more pictures", BAD_INPUT},
        {"[" ENTRY("null", HUMAN("<image>q") ", " GPT("a")) "]", "more marks <image> than pictures",
         BAD_INPUT},
        {"[" ENTRY("\"odd.png\"", HUMAN("<image>q") ", " GPT("a <image>")) "]", "an answer holds the mark",
         BAD_INPUT},
        {"[" ENTRY("\"odd.png\"", HUMAN("<image>q")) "]", "turns {from, value} of human and gpt", BAD_INPUT},
        {"[" ENTRY("\"odd.png\"", HUMAN("<image>q") ", " GPT("a") ", " HUMAN("r")) "]", "turns {from, value}",
         BAD_INPUT},
        {"[" ENTRY("\"odd.png\"", GPT("a") ", " HUMAN("<image>q")) "]", "turns {from, value}", BAD_INPUT},
        {"[" ENTRY("\"odd.png\"", HUMAN("<image>q") ", " HUMAN("r") ", " GPT("a")) "]", "turns {from, value}",
         BAD_INPUT},
        {"[" ENTRY("\"odd.png\"", "") "]", "turns {from, value}", BAD_INPUT},
        {"[" ENTRY("3", HUMAN("<image>q") ", " GPT("a")) "]", "image: wanted a path, or a list of paths",
         BAD_INPUT},
        {"[" ENTRY("[3]", HUMAN("<image>q") ", " GPT("a")) "]", "image: wanted a path, or a list of paths",
         BAD_INPUT},
        {"[{\"image\": \"odd.png\"}]", "entry 0 (id none): wanted an id", BAD_INPUT},
        {"[3]", "wanted an object", BAD_INPUT},
        {"[]", "holds no pairs", FAILED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Fixture f;
        read_text(&f, rows[i].text, false);
        if (f.error.status != rows[i].status || !strstr(f.error.text, rows[i].expected))
            fail_msg("%s: status %d, \"%s\"; wanted \"%s\"", rows[i].text, (int)f.error.status, f.error.text,
                     rows[i].expected);
        finish(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_picture), cmocka_unit_test(pictures_and_turns),
                                       cmocka_unit_test(without_pictures), cmocka_unit_test(missing),
                                       cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
