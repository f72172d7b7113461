/* A run across families, all four stages by one command: a tiny InternVL2 teacher and a TinyLLaVA
 * student, against the run folder that PyTorch made of them (golden/run-families, by
 * ref/golden_run_families.py). */
#include "fixture/golden.h"
#include "fixture/must.h"
#include "fixture/scratch.h"
#include "fixture/tiny_run.h"
#include "fixture/training_log.h"

#include "base/folder.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GOLDEN "golden/run-families/"

enum { PATH = 400 };

static Scratch scratch;
static char run_folder[300];

static const char *in_run(char *path, const char *name)
{
    snprintf(path, PATH, "%s/%s", run_folder, name);
    return path;
}

/* The settings that the golden was trained with, as lines of [level]. */
static void add_settings(Text *ini, Error *e)
{
    Golden g;
    const char *key;
    json_t *value;
    golden_open(&g, "run-families/level");
    text_add(ini, "[level]\nshuffle = no\ndtype = float32\n", e);
    json_object_foreach(json_object_get(g.notes.root, "settings"), key, value)
    {
        text_format(ini, e, "%s = ", key);
        if (json_is_string(value))
            text_add(ini, json_string_value(value), e);
        else
            json_print(ini, value, JSON_ENCODE_ANY, e);
        text_add(ini, "\n", e);
    }
    golden_drop(&g);
}

static int run_all_stages(void **state)
{
    (void)state;
    static const char lines[] = "[data]\ntask = stvqa\n[annotate]\nmax_new_tokens = 48\n"
                                "[identify]\nmax_new_tokens = 16\n[evaluate]\nmetric = mpa\n";
    const char *mpa = getenv("MPA");
    Text ini = {0};
    Text line = {0};
    Error e = {0};
    scratch_make(&scratch);
    snprintf(run_folder, sizeof run_folder, "%s", scratch_path(&scratch, "run"));
    text_add(&ini, lines, &e);
    add_settings(&ini, &e);
    text_format(&line, &e,
                "\"%s\" run \"%s\" run.dir=\"%s\" teacher.model=weights/run-teacher "
                "student.model=weights/run-student data.images=" GOLDEN "pictures annotate.prompt=" GOLDEN
                "prompt.txt evaluate.questions=" GOLDEN "questions.json evaluate.image_root=" GOLDEN
                "pictures >\"%s.log\" 2>&1",
                mpa ? mpa : "./mpa", scratch_write(&scratch, "run.ini", ini.data, ini.count), run_folder,
                run_folder);
    must(&e);
    const int status = system(text_string(&line));
    if (status)
        print_error("mpa run: status %d:\n%s", status, tiny_run_read(scratch_path(&scratch, "run.log")));
    text_free(&ini);
    text_free(&line);
    return status;
}

static int clean(void **state)
{
    (void)state;
    static const char *const folders[] = {"aligned", "evaluation", ""};
    char path[PATH];
    Error e = {0};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        folder_remove(in_run(path, folders[i]), &e);
    scratch_remove(&scratch);
    return (int)e.status;
}

static void test_stage_files(void **state)
{
    (void)state;
    static const char *const files[][2] = {
        {"annotations.json", "src/mpa/annotate.c"},
        {"student.json", "src/mpa/identify.c"},
        {"teacher.json", "src/mpa/identify.c"},
        {"parity.json", "src/data/match.c"},
        {"evaluation/student.json", "src/mpa/evaluate.c"},
        {"evaluation/aligned.json", "src/mpa/evaluate.c"},
        {"evaluation/teacher.json", "src/mpa/evaluate.c"},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[PATH];
        char golden[PATH];
        snprintf(golden, sizeof golden, GOLDEN "%s", files[i][0]);
        char *got = tiny_run_read(in_run(path, files[i][0]));
        char *want = tiny_run_read(golden);
        if (strcmp(got, want))
            fail_msg("%s is not what PyTorch wrote; read %s. It is:\n%s", files[i][0], files[i][1], got);
        free(got);
        free(want);
    }
}

/* Each fact that the golden has of a picture; ours may hold more. */
static void check_facts(size_t line, const json_t *got, const json_t *want)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)want, key, value)
    {
        if (!json_equal(json_object_get(got, key), value))
            fail_msg("audit.jsonl, line %zu: %s is not what the rules of ref/pipeline.py give; read "
                     "src/mpa/identify.c (reason_of, write_audit)",
                     line + 1, key);
    }
}

static void test_audit(void **state)
{
    (void)state;
    char path[PATH];
    Json want = golden_rows("run-families/audit", 8);
    char *text = tiny_run_read(in_run(path, "audit.jsonl"));
    size_t n = 0;
    for (const char *line = text; *line; n++) {
        const char *end = strchr(line, '\n');
        json_t *got = end ? json_loadb(line, (size_t)(end - line), 0, NULL) : NULL;
        assert_true(got && n < json_array_size(want.root));
        check_facts(n, got, json_array_get(want.root, n));
        json_decref(got);
        line = end + 1;
    }
    assert_int_equal(n, json_array_size(want.root));
    free(text);
    json_close(&want);
}

/* Losses and gradient norms of every step, and every tensor of the aligned student. */
static void test_training(void **state)
{
    (void)state;
    char path[PATH];
    Golden g;
    SafeTensors aligned;
    Error e = {0};
    golden_open(&g, "run-families/level");
    bool good = training_log(&g, in_run(path, "metrics.jsonl"));
    safetensors_open(&aligned, in_run(path, "aligned/model.safetensors"), &e);
    must(&e);
    assert_int_equal(aligned.count, g.tensors.count);
    for (int64_t i = 0; i < aligned.count; i++) {
        const Tensor *t = aligned.tensor + i;
        float *values = malloc((size_t)t->count * sizeof *values);
        assert_non_null(values);
        for (int64_t k = 0; k < t->count; k++)
            values[k] = (float)tensor_value(t, k);
        good &= trained_weight(&g, t->name, values, t->count);
        free(values);
    }
    safetensors_close(&aligned);
    golden_close(&g);
    assert_true(good);
}

static void check_number(const char *where, const char *key, const json_t *got, const json_t *want)
{
    const double wanted = json_number_value(want);
    const double found = json_number_value(got);
    if (!json_is_number(got) || !(fabs(found - wanted) <= 1e-7 * fabs(wanted)))
        fail_msg("scores.json: %s%s is %.9g, wanted %.9g; read src/mpa/evaluate.c", where, key, found,
                 wanted);
}

static void test_scores(void **state)
{
    (void)state;
    char path[PATH];
    Json got;
    Json want;
    Error e = {0};
    const char *who;
    json_t *scores;
    json_open(&got, in_run(path, "scores.json"), 1 << 20, &e);
    json_open(&want, GOLDEN "scores.json", 1 << 20, &e);
    must(&e);
    json_object_foreach(want.root, who, scores)
    {
        const json_t *ours = json_object_get(got.root, who);
        if (json_is_object(scores))
            check_number(who, ".mpa", json_object_get(ours, "mpa"), json_object_get(scores, "mpa"));
        else
            check_number("", who, ours, scores);
    }
    json_close(&got);
    json_close(&want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_stage_files), cmocka_unit_test(test_audit),
                                       cmocka_unit_test(test_training), cmocka_unit_test(test_scores)};
    return cmocka_run_group_tests(tests, run_all_stages, clean);
}
