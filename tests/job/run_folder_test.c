/* What stages leave in the run folder: the form of its files, scores of a file of predictions,
 * what is refused. src/job/job.c, src/mpa/evaluate.c, src/mpa/level.c. */
#include "fixture/scratch.h"

#include "base/file.h"
#include "base/folder.h"
#include "mpa/stage.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const volatile int no_stop = 0;

/* A stage whose run folder is the scratch folder. */
typedef struct {
    Scratch s;
    Job job;
    Error e;
} World;

static int make(void **state)
{
    static World w;
    w = (World){.job = {.stop = &no_stop}};
    scratch_make(&w.s);
    *state = &w;
    return 0;
}

static int clean(void **state)
{
    World *w = *state;
    Error e = {0};
    config_free(&w->job.config);
    folder_remove(scratch_path(&w->s, "evaluation"), &e);
    scratch_remove(&w->s);
    return 0;
}

static void put(World *w, const char *name, const char *text)
{
    scratch_write(&w->s, name, text, strlen(text));
}

static void configure(World *w, const char *lines)
{
    char text[600];
    snprintf(text, sizeof text, "[run]\ndir = %s\n%s", w->s.folder, lines);
    put(w, "c.ini", text);
    config_free(&w->job.config);
    w->e = (Error){0};
    log_init(&w->job.log, true, false);
    if (config_load(&w->job.config, scratch_path(&w->s, "c.ini"), NULL, 0, &w->e) != OK)
        fail_msg("%s", w->e.text);
    w->job.folder = w->job.config.run.dir;
}

/* Python: json.dump([{"a": "\x7f\u00e9\U0001F600\u2028/\"\\\n\x01", "b": None, "c": [], "d":
 * 7}], f, indent=4) */
static void test_as_python(void **state)
{
    World *w = *state;
    Text text = {0};
    configure(w, "");
    json_t *v = json_pack("[{s:s, s:n, s:[], s:i}]", "a",
                          "\x7F\xC3\xA9\xF0\x9F\x98\x80\xE2\x80\xA8/\"\\\n\x01", "b", "c", "d", 7);
    assert_int_equal(job_write_json(&w->job, "x.json", v, 4, &w->e), OK);
    json_decref(v);
    assert_int_equal(file_read(&text, scratch_path(&w->s, "x.json"), 1000, &w->e), OK);
    assert_string_equal(text_string(&text),
                        "[\n    {\n        \"a\": "
                        "\"\\u007f\\u00e9\\ud83d\\ude00\\u2028/\\\"\\\\\\n\\u0001\",\n        \"b\": null,\n"
                        "        \"c\": [],\n        \"d\": 7\n    }\n]\n");
    text_free(&text);
    assert_false(file_exists(scratch_path(&w->s, "x.json.tmp")));
}

static double score(World *w, const char *model, const char *metric)
{
    Json j;
    assert_int_equal(json_open(&j, scratch_path(&w->s, "scores.json"), 10000, &w->e), OK);
    const json_t *v = json_object_get(json_object_get(j.root, model), metric);
    double value = v ? json_number_value(v) : NAN;
    json_close(&j);
    return value;
}

static const char questions[] =
    "[{\"image_id\":1,\"question_id\":1,\"question\":\"q\",\"answers\":[\"Bern\",\"Bern\",\"Bern\",\"Bonn\"]}"
    ","
    "{\"image_id\":2,\"question_id\":2,\"question\":\"q\",\"answers\":[\"two\"]}]";

/* Neither model nor pictures are needed to score a file. */
static void test_predictions(void **state)
{
    World *w = *state;
    put(w, "q.json", questions);
    put(w, "p.json",
        "[{\"question_id\":\"1\",\"predictions\":\"bern\"},{\"question_id\":2,\"predictions\":null},{"
        "\"question_id\":3,\"predictions\":\"x\"}]");
    configure(w, "[data]\ntask = okvqa\n[evaluate]\nquestions = q.json\npredictions = p.json\n");
    if (stage_run(&stage_evaluate, &w->job, &w->e) != OK)
        fail_msg("%s", w->e.text);
    assert_true(fabs(score(w, "predictions", "mpa") - 50) < 1e-9);
    /* of 4 labels three agree: (3 * 2/3 + 1 * 1) / 4 */
    assert_true(fabs(score(w, "predictions", "vqa") - 37.5) < 1e-7);
    assert_true(isnan(score(w, "predictions", "anls")));
    w->e = (Error){0};
    put(w, "p.json", "[{\"question_id\":5,\"predictions\":\"bern\"}]");
    assert_int_equal(stage_run(&stage_evaluate, &w->job, &w->e), BAD_INPUT);
}

/* Files of predictions put in by hand are scored without models, and the gap is computed from them. */
static void test_gap(void **state)
{
    World *w = *state;
    static const char *const models[] = {"student", "aligned", "teacher"},
                             *const said[] = {"\"x\"", "\"two\"", "\"two\""},
                             *const first[] = {"x", "x", "bern"};
    put(w, "q.json", questions);
    configure(w, "[data]\ntask = okvqa\n[evaluate]\nquestions = q.json\nmetric = mpa\n");
    assert_int_equal(folder_make(scratch_path(&w->s, "evaluation"), &w->e), OK);
    for (int i = 0; i < 3; i++) {
        char name[60], text[200];
        snprintf(name, sizeof name, "evaluation/%s.json", models[i]);
        snprintf(text, sizeof text,
                 "[{\"question_id\":1,\"predictions\":\"%s\"},{\"question_id\":2,\"predictions\":%s}]",
                 first[i], said[i]);
        put(w, name, text);
    }
    if (stage_run(&stage_evaluate, &w->job, &w->e) != OK)
        fail_msg("%s", w->e.text);
    assert_true(fabs(score(w, "student", "mpa") - 0) < 1e-9 && fabs(score(w, "aligned", "mpa") - 50) < 1e-9 &&
                fabs(score(w, "teacher", "mpa") - 100) < 1e-9);
    Json j;
    assert_int_equal(json_open(&j, scratch_path(&w->s, "scores.json"), 10000, &w->e), OK);
    assert_true(fabs(json_number_value(json_object_get(j.root, "gap_before")) - 100) < 1e-9);
    assert_true(fabs(json_number_value(json_object_get(j.root, "gap_after")) - 50) < 1e-9);
    assert_true(fabs(json_number_value(json_object_get(j.root, "gap_closed")) - 0.5) < 1e-9);
    json_close(&j);
}

/* Nothing to learn is said, not turned into an untrained student. */
static void test_nothing_to_learn(void **state)
{
    World *w = *state;
    configure(w, "[student]\nmodel = .\n");
    assert_int_equal(stage_run(&stage_level, &w->job, &w->e), BAD_USAGE);
    assert_non_null(strstr(w->e.text, "mpa identify"));
    put(w, "parity.json", "[]");
    configure(w, "[student]\nmodel = .\n");
    assert_int_equal(stage_run(&stage_level, &w->job, &w->e), FAILED);
    assert_non_null(strstr(w->e.text, "nothing to learn"));
    put(w, "parity.json",
        "[{\"id\":1,\"image\":\"x.jpg\",\"conversations\":[{\"from\":\"human\",\"value\":\"<image>\\nq\"}]}"
        "]");
    configure(w, "[student]\nmodel = .\n");
    assert_int_equal(stage_run(&stage_level, &w->job, &w->e), BAD_INPUT);
    assert_non_null(strstr(w->e.text, "entry 0"));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, make, clean)

int main(void)
{
    const struct CMUnitTest tests[] = {CASE(test_as_python), CASE(test_predictions), CASE(test_gap),
                                       CASE(test_nothing_to_learn)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
