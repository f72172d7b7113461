/* The parity identifier from files alone: joins, the rule, what is written. src/mpa/identify.c,
 * src/mpa/pairs.c, src/mpa/audit.c. */
#include "fixture/scratch.h"

#include "base/file.h"
#include "base/folder.h"
#include "mpa/inputs.h"
#include "mpa/stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const volatile int no_stop = 0;

typedef struct {
    Scratch s;
    Error e;
} World;

static int make(void **state)
{
    static World w;
    w = (World){0};
    scratch_make(&w.s);
    *state = &w;
    return 0;
}

static int clean(void **state)
{
    World *w = *state;
    Error e = {0};
    assert_int_equal(folder_remove(scratch_path(&w->s, "out"), &e), OK);
    scratch_remove(&w->s);
    return 0;
}

static void put(World *w, const char *name, const char *text)
{
    scratch_write(&w->s, name, text, strlen(text));
}

/* Identifies with a configuration of these lines (after [run] dir = out). */
static Status identify(World *w, const char *lines)
{
    char text[600];
    Job j = {.stop = &no_stop};
    w->e = (Error){0};
    log_init(&j.log, true, false);
    snprintf(text, sizeof text, "[run]\ndir = out\n%s", lines);
    put(w, "c.ini", text);
    if (config_load(&j.config, scratch_path(&w->s, "c.ini"), NULL, 0, &w->e) != OK)
        fail_msg("%s", w->e.text);
    j.folder = j.config.run.dir;
    assert_int_equal(folder_remove(j.folder, &w->e), OK);
    assert_int_equal(folder_make(j.folder, &w->e), OK);
    Status status = stage_run(&stage_identify, &j, &w->e);
    config_free(&j.config);
    return status;
}

/* The run folder's file must have exactly these bytes; NULL: it must not be there. */
static void holds(World *w, const char *name, const char *wanted)
{
    Text text = {0};
    Error e = {0};
    const char *path = scratch_path(&w->s, name);
    if (!wanted) {
        assert_false(file_exists(path));
        return;
    }
    if (file_read(&text, path, 1 << 20, &e) != OK)
        fail_msg("%s", e.text);
    assert_string_equal(text_string(&text), wanted);
    text_free(&text);
}

static const char answers_given[] =
    "[teacher]\nannotations = a.json\nanswers = t.json\n[student]\nanswers = s.json\n";

#define ROW(id, question, answer, said)                                                                      \
    "{\"question_id\":" id ",\"image_path\":\"p.jpg\",\"PA_question\":" question ",\"PA_answer\":" answer    \
    ",\"predictions\":" said "}"

/* Ids join as text and keep their type; the last of a duplicate stands at the first one's place;
 * rows on one side are no error. */
static void test_join(void **state)
{
    World *w = *state;
    put(w, "a.json", "[]");
    put(w, "s.json",
        "[" ROW("7", "\"old\"", "\"Bonn\"",
                "\"?\"") "," ROW("\"8\"", "\"q\\u00e9\"", "\"C\"",
                                 "\"x\"") "," ROW("7", "\"new\"", "\"Bern\"",
                                                  "\"x\"") "," ROW("9", "\"q\"", "\"A\"", "\"x\"") "]");
    put(w, "t.json",
        "[" ROW("8", "\"-\"", "\"-\"", "\"no\"") "," ROW(
            "\"7\"", "\"-\"", "\"-\"", "\"It is BERN.\"") "," ROW("8", "\"-\"", "\"-\"",
                                                                  "\"c\"") "," ROW("10", "\"q\"", "\"A\"",
                                                                                   "\"a\"") "]");
    if (identify(w, answers_given) != OK)
        fail_msg("%s", w->e.text);
    holds(w, "out/parity.json",
          "[\n  {\n    \"id\": 7,\n    \"image\": \"p.jpg\",\n    \"conversations\": [\n      {\n        "
          "\"from\": \"human\",\n"
          "        \"value\": \"<image>\\nnew\"\n      },\n      {\n        \"from\": \"gpt\",\n        "
          "\"value\": \"Bern\"\n      }\n    ]\n  },\n"
          "  {\n    \"id\": \"8\",\n    \"image\": \"p.jpg\",\n    \"conversations\": [\n      {\n        "
          "\"from\": \"human\",\n"
          "        \"value\": \"<image>\\nq\\u00e9\"\n      },\n      {\n        \"from\": \"gpt\",\n        "
          "\"value\": \"C\"\n      }\n    ]\n  "
          "}\n]\n");
    holds(w, "out/student.json", NULL); /* what was given is not written again */
}

/* What the published code takes: an answer that is a number stays one, and is compared as Python prints
 * it; no predictions are an empty answer. */
static void test_numbers(void **state)
{
    World *w = *state;
    static const struct {
        const char *answer, *teacher, *wanted;
    } cases[] = {
        {"7", "\"it is 7\"", "\"value\": 7\n"},   {"2.5", "\"2.5 m\"", "\"value\": 2.5\n"},
        {"3.0", "\"30\"", "\"value\": 3.0\n"},    {"1e22", "\"1e+22\"", "\"value\": 1e22\n"},
        {"0.1", "\"01\"", "\"value\": 0.1\n"},    {"true", "\"TRUE\"", "\"value\": true\n"},
        {"\"x\"", "\"x\"", "\"value\": \"x\"\n"},
    };
    put(w, "a.json", "[]");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[300];
        Text parity = {0};
        snprintf(text, sizeof text,
                 "[{\"question_id\":1,\"image_path\":\"p.jpg\",\"PA_question\":\"q\",\"PA_answer\":%s}]",
                 cases[i].answer);
        put(w, "s.json", text);
        snprintf(text, sizeof text, "[" ROW("1", "\"q\"", "\"a\"", "%s") "]", cases[i].teacher);
        put(w, "t.json", text);
        if (identify(w, answers_given) != OK)
            fail_msg("case %zu: %s", i, w->e.text);
        assert_int_equal(file_read(&parity, scratch_path(&w->s, "out/parity.json"), 1 << 20, &w->e), OK);
        if (!strstr(text_string(&parity), cases[i].wanted))
            fail_msg("case %zu: %s lacks %s", i, text_string(&parity), cases[i].wanted);
        text_free(&parity);
    }
}

/* Each way a pair can fail, in the words of audit.jsonl. */
static void test_reasons(void **state)
{
    World *w = *state;
    static const struct {
        const char *row, *teacher, *wanted;
    } cases[] = {
        {ROW("1", "\"q\"", "\"Napa Valley, CA\"", "\"Napa Valley\""), "\"NAPA VALLEY CA\"",
         "\"decision\":\"kept\",\"reason\":\"only the teacher is right\""},
        {ROW("1", "\"q\"", "\"No parking.\"", "\"no parking\""), "\"no parking\"", "the student is right"},
        {ROW("1", "\"q\"", "\"Good luck charm\"", "\"x\""), "\"lucky\"", "the teacher does not confirm"},
        {ROW("1", "\"q\"", "null", "\"x\""), "\"x\"", "holds no answer"},
        {ROW("1", "null", "\"a\"", "\"x\""), "\"a\"", "holds no question"},
        {ROW("1", "\"q\"", "\"?!\"", "\"x\""), "\"x\"", "no letter or digit"},
        {ROW("1", "\"q\"", "\"a\"", "null"), "\"a\"", "\"decision\":\"kept\""}, /* null counts as empty */
    };
    put(w, "a.json", "[]");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[400];
        Text audit = {0};
        snprintf(text, sizeof text, "[%s]", cases[i].row);
        put(w, "s.json", text);
        snprintf(text, sizeof text, "[" ROW("1", "\"q\"", "\"a\"", "%s") "]", cases[i].teacher);
        put(w, "t.json", text);
        if (identify(w, answers_given) != OK)
            fail_msg("case %zu: %s", i, w->e.text);
        assert_int_equal(file_read(&audit, scratch_path(&w->s, "out/audit.jsonl"), 1 << 20, &w->e), OK);
        if (!strstr(text_string(&audit), cases[i].wanted))
            fail_msg("case %zu: %s lacks %s", i, text_string(&audit), cases[i].wanted);
        text_free(&audit);
    }
}

static void test_select(void **state)
{
    World *w = *state;
    char lines[300];
    Json j;
    static const char *const ways[] = {"all", "random"};
    put(w, "a.json", "[]");
    put(w, "s.json",
        "[" ROW("1", "\"q\"", "\"a\"", "\"x\"") "," ROW("2", "\"q\"", "\"a\"",
                                                        "\"a\"") "," ROW("3", "\"q\"", "null", "\"a\"") "]");
    put(w, "t.json",
        "[" ROW("1", "\"q\"", "\"a\"", "\"a\"") "," ROW("2", "\"q\"", "\"a\"",
                                                        "\"a\"") "," ROW("3", "\"q\"", "null", "\"a\"") "]");
    for (int i = 0; i < 2; i++) {
        snprintf(lines, sizeof lines, "%s[identify]\nselect = %s\n", answers_given, ways[i]);
        assert_int_equal(identify(w, lines), OK);
        assert_int_equal(json_open(&j, scratch_path(&w->s, "out/parity.json"), 1 << 20, &w->e), OK);
        /* random: as many as parity keeps; never one without an answer */
        assert_int_equal(json_array_size(j.root), i ? 1 : 2);
        json_close(&j);
    }
}

/* Which ids are in parity.json, with a space after each. */
static void kept_ids(World *w, Text *ids)
{
    Json j;
    text_clear(ids);
    text_add(ids, "", &w->e);
    assert_int_equal(json_open(&j, scratch_path(&w->s, "out/parity.json"), 1 << 20, &w->e), OK);
    for (size_t i = 0; i < json_array_size(j.root); i++)
        text_format(ids, &w->e, "%d ",
                    (int)json_integer_value(json_object_get(json_array_get(j.root, i), "id")));
    json_close(&j);
}

static void audit_has(World *w, const char *wanted)
{
    Text audit = {0};
    assert_int_equal(file_read(&audit, scratch_path(&w->s, "out/audit.jsonl"), 1 << 20, &w->e), OK);
    if (!strstr(text_string(&audit), wanted))
        fail_msg("%s lacks %s", text_string(&audit), wanted);
    text_free(&audit);
}

/* Where the student is wrong, whatever the teacher says; it is not asked, and need not be there. */
static void test_unverified(void **state)
{
    World *w = *state;
    Text ids = {0};
    put(w, "a.json",
        "[{\"question_id\":1,\"image_path\":\"p.jpg\",\"predicted_question\":\"q\",\"predicted_answer\":"
        "\"a\"},"
        "{\"question_id\":2,\"image_path\":\"p.jpg\",\"predicted_question\":\"q\",\"predicted_answer\":\"b\"}"
        ","
        "{\"question_id\":3,\"image_path\":\"p.jpg\",\"predicted_question\":\"q\",\"predicted_answer\":null},"
        "{\"question_id\":4,\"image_path\":\"p.jpg\",\"predicted_question\":\"q\",\"predicted_answer\":\"?!"
        "\"}]");
    put(w, "s.json",
        "[" ROW("1", "\"q\"", "\"a\"", "\"x\"") "," ROW("2", "\"q\"", "\"b\"", "\"b\"") "," ROW(
            "3", "\"q\"", "null", "\"x\"") "," ROW("4", "\"q\"", "\"?!\"", "\"x\"") "]");
    if (identify(w, "[teacher]\nannotations = a.json\n[student]\nanswers = s.json\n"
                    "[identify]\nselect = unverified\n") != OK)
        fail_msg("%s", w->e.text);
    kept_ids(w, &ids);
    assert_string_equal(text_string(&ids), "1 ");
    audit_has(
        w, "\"decision\":\"kept\",\"reason\":\"the student is wrong; the teacher's own check is left out\"");
    audit_has(w, "the student is right");
    text_free(&ids);
}

/* The data set's own, one question for each picture: no annotation and no model is there. */
static void test_labels(void **state)
{
    World *w = *state;
    Text ids = {0};
    put(w, "d.json",
        "[{\"image_id\":5,\"qas\":[{\"question_id\":51,\"question\":\"Which?\",\"answers\":[\"no\",\"yes\","
        "\"yes\"]}]},"
        "{\"image_id\":6,\"qas\":[{\"question_id\":61,\"question\":\"What?\",\"answers\":[\"red\"]}]}]");
    if (identify(w, "[data]\ntask = okvqa\nimages = d.json\nmissing = skip\n[identify]\nselect = labels\n") !=
        OK)
        fail_msg("%s", w->e.text);
    kept_ids(w, &ids);
    assert_string_equal(text_string(&ids), "51 61 ");
    audit_has(w, "\"question\":\"Which?\",\"answer\":\"yes\"");
    audit_has(w, "a label of the data set");
    put(w, "d.txt", "p.jpg\n");
    assert_int_equal(identify(w, "[data]\nimages = d.txt\nmissing = skip\n[identify]\nselect = labels\n"),
                     BAD_INPUT);
    assert_non_null(strstr(w->e.text, "this one has none"));
    text_free(&ids);
}

static void test_wrong_files(void **state)
{
    World *w = *state;
    static const struct {
        const char *student, *wanted;
    } cases[] = {
        {"{}", "wanted a list, found an object"},
        {"[1]", "entry 0: wanted an object"},
        {"[{\"question_id\":null}]", "entry 0: question_id"},
        {"[" ROW("1", "\"q\"", "[]", "\"a\"") "]", "entry 0: PA_answer: wanted a string or null"},
        {"[" ROW("1", "3", "\"a\"", "\"a\"") "]", "entry 0: PA_question: wanted a string or null"},
        {"[" ROW("1", "\"q\"", "\"a\"", "[]") "]", "entry 0: predictions: wanted a string or null"},
        {"[{\"question_id\":1,\"PA_question\":\"q\",\"PA_answer\":\"a\",\"predictions\":\"x\"}]",
         "image_path"},
        {"[{\"a\":1,\"a\":2}]", "s.json"},
        {"", "s.json"},
    };
    put(w, "a.json", "[]");
    put(w, "t.json", "[]");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put(w, "s.json", cases[i].student);
        Status status = identify(w, answers_given);
        if (status != BAD_INPUT || !strstr(w->e.text, cases[i].wanted))
            fail_msg("case %zu: status %d, \"%s\"; wanted \"%s\"", i, (int)status, w->e.text,
                     cases[i].wanted);
        holds(w, "out/parity.json", NULL);
    }
}

/* Every pair is kept without student and teacher; random needs both, to know how many. */
static void test_select_all(void **state)
{
    World *w = *state;
    put(w, "a.json",
        "[{\"question_id\":1,\"image_path\":\"p.jpg\",\"predicted_question\":\"q\",\"predicted_answer\":"
        "\"a\"},{\"question_id\":2,\"image_path\":\"p.jpg\",\"predicted_question\":null,\"predicted_answer\":"
        "null}]");
    if (identify(w, "[teacher]\nannotations = a.json\n[identify]\nselect = all\n") != OK)
        fail_msg("%s", w->e.text);
    Json j;
    Text audit = {0};
    assert_int_equal(json_open(&j, scratch_path(&w->s, "out/parity.json"), 1 << 20, &w->e), OK);
    assert_int_equal(json_array_size(j.root), 1);
    json_close(&j);
    assert_int_equal(file_read(&audit, scratch_path(&w->s, "out/audit.jsonl"), 1 << 20, &w->e), OK);
    assert_non_null(strstr(text_string(&audit), "\"decision\":\"kept\",\"reason\":\"every pair is kept\""));
    text_free(&audit);
    assert_int_equal(identify(w, "[teacher]\nannotations = a.json\n[identify]\nselect = random\n"),
                     BAD_USAGE);
    assert_non_null(strstr(w->e.text, "student.model is needed"));
}

/* What is missing is named, and nothing is guessed. */
static void test_nothing_to_do(void **state)
{
    World *w = *state;
    assert_int_equal(identify(w, "[teacher]\nmodel = .\n[student]\nmodel = .\n"), BAD_USAGE);
    assert_non_null(strstr(w->e.text, "mpa annotate"));
    put(w, "a.json",
        "[{\"question_id\":1,\"image_path\":\"p\",\"predicted_question\":\"q\",\"predicted_answer\":\"a\"}]");
    assert_int_equal(identify(w, "[teacher]\nannotations = a.json\n"), BAD_USAGE);
    assert_non_null(strstr(w->e.text, "student.model is needed"));
}

/* What a result is made of is not recorded as less than it is where a file cannot be read for once. */
static void test_inputs_unread(void **state)
{
    World *w = *state;
    Job j = {.stop = &no_stop};
    w->e = (Error){0};
    log_init(&j.log, true, false);
    put(w, "bad.json", "[{");
    put(w, "c.ini", "[run]\ndir = out\n[teacher]\nannotations = bad.json\n");
    if (config_load(&j.config, scratch_path(&w->s, "c.ini"), NULL, 0, &w->e) != OK)
        fail_msg("%s", w->e.text);
    j.folder = j.config.run.dir;
    json_decref(inputs_now(&j, RESULT_STUDENT, &w->e));
    assert_int_equal(w->e.status, BAD_INPUT);
    assert_non_null(strstr(w->e.text, "bad.json"));
    config_free(&j.config);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, make, clean)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_join),   CASE(test_numbers),      CASE(test_select_all),    CASE(test_reasons),
        CASE(test_select), CASE(test_wrong_files),  CASE(test_nothing_to_do), CASE(test_unverified),
        CASE(test_labels), CASE(test_inputs_unread)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
