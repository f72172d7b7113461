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
    assert_int_equal(json_open(&j, scratch_path(&w->s, "scores.json"), 1 << 20, &w->e), OK);
    const json_t *v = json_object_get(json_object_get(j.root, model), metric);
    double value = v ? json_number_value(v) : NAN;
    json_close(&j);
    return value;
}

static const char questions[] =
    "[{\"image_id\":1,\"question_id\":1,\"question\":\"q\",\"answers\":[\"Bern\",\"Bern\",\"Bern\",\"Bonn\"]}"
    ","
    "{\"image_id\":2,\"question_id\":2,\"question\":\"q\",\"answers\":[\"two\",\"two\",\"two\",\"two\"]}]";

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

/* Predictions put in by hand: the student knows nothing, the aligned student one of two answers, the
 * teacher both. */
static void put_predictions(World *w)
{
    static const char *const models[] = {"student", "aligned", "teacher"};
    static const char *const second[] = {"x", "two", "two"};
    static const char *const first[] = {"x", "x", "bern"};
    put(w, "q.json", questions);
    assert_int_equal(folder_make(scratch_path(&w->s, "evaluation"), &w->e), OK);
    for (int i = 0; i < 3; i++) {
        char name[60];
        char text[200];
        snprintf(name, sizeof name, "evaluation/%s.json", models[i]);
        snprintf(text, sizeof text,
                 "[{\"question_id\":1,\"predictions\":\"%s\"},{\"question_id\":2,\"predictions\":\"%s\"}]",
                 first[i], second[i]);
        put(w, name, text);
    }
}

static void evaluate_with(World *w, const char *lines)
{
    char text[300];
    snprintf(text, sizeof text, "[data]\ntask = okvqa\n[evaluate]\nquestions = q.json\n%s", lines);
    configure(w, text);
    if (stage_run(&stage_evaluate, &w->job, &w->e) != OK)
        fail_msg("%s", w->e.text);
}

static bool near(const json_t *v, double wanted)
{
    return json_is_number(v) && fabs(json_number_value(v) - wanted) < 1e-7;
}

/* Predictions that are there are scored without models, and the gap is computed by every metric. */
static void test_gap(void **state)
{
    World *w = *state;
    put_predictions(w);
    evaluate_with(w, "");
    assert_true(fabs(score(w, "student", "mpa") - 0) < 1e-9 && fabs(score(w, "aligned", "mpa") - 50) < 1e-9 &&
                fabs(score(w, "teacher", "mpa") - 100) < 1e-9);
    Json j;
    assert_int_equal(json_open(&j, scratch_path(&w->s, "scores.json"), 1 << 20, &w->e), OK);
    assert_true(near(json_object_get(j.root, "gap_before"), 100));
    assert_true(near(json_object_get(j.root, "gap_after"), 50));
    assert_true(near(json_object_get(j.root, "gap_closed"), 0.5));
    const json_t *vqa = json_object_get(json_object_get(j.root, "gap"), "vqa");
    assert_true(near(json_object_get(vqa, "before"), 87.5)); /* of three labels of four, 3/4 */
    assert_true(near(json_object_get(vqa, "after"), 37.5));
    assert_true(near(json_object_get(vqa, "closed"), 50 / 87.5));
    assert_null(json_object_get(json_object_get(j.root, "gap"), "anls"));
    json_close(&j);
}

/* Scoring one model leaves the scores of the others; what answers other questions is left out. */
static void test_other_models_stay(void **state)
{
    World *w = *state;
    put_predictions(w);
    evaluate_with(w, "models = student\n");
    assert_true(fabs(score(w, "aligned", "mpa") - 50) < 1e-9 &&
                fabs(score(w, "teacher", "mpa") - 100) < 1e-9);
    put(w, "evaluation/teacher.json", "[{\"question_id\":9,\"predictions\":\"x\"}]");
    evaluate_with(w, "models = student\n");
    assert_true(fabs(score(w, "aligned", "mpa") - 50) < 1e-9 && isnan(score(w, "teacher", "mpa")));
    configure(w, "[data]\ntask = okvqa\n[evaluate]\nquestions = q.json\nmodels = teacher\n");
    assert_int_equal(stage_run(&stage_evaluate, &w->job, &w->e), BAD_INPUT);
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
    put(w, "audit.jsonl",
        "{\"reason\": \"the annotation holds no answer\"}\n{\"reason\": \"the student is right\"}\n"
        "{\"reason\": \"the student is right\"}\n");
    configure(w, "[student]\nmodel = .\n");
    assert_int_equal(stage_run(&stage_level, &w->job, &w->e), FAILED);
    assert_non_null(strstr(w->e.text, "2 the student is right, 1 the annotation holds no answer"));
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
                                       CASE(test_other_models_stay), CASE(test_nothing_to_learn)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
