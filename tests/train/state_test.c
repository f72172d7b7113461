/* States: what is saved comes back to the bit, a damaged state is never taken, and the files have
 * the form that earlier programs wrote. */
#include "fixture/must.h"
#include "fixture/tiny_run.h"

#include "base/file.h"
#include "base/folder.h"
#include "base/hash.h"
#include "train/adamw.h"
#include "train/estimate.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct {
    TinyRun run;
    Optimiser optimiser;
} Fixture;

static void make(Fixture *f)
{
    tiny_run_make(&f->run, "weights/tiny-qwen2vl-a");
    optimiser_init(&f->optimiser, &f->run.vlm, &f->run.options.level, &f->run.error);
    tiny_run_must(&f->run);
}

static void finish(Fixture *f)
{
    optimiser_free(&f->optimiser);
    tiny_run_free(&f->run);
}

/* Values that tell parameter, tensor and element apart. */
static float value_of(int64_t param, int kind, int64_t element, int64_t step)
{
    return (float)(param * 7 + kind + step * 100) + (float)(element % 1000) / 1024;
}

static float *tensor_of(const Trained *t, int kind)
{
    float *const data[] = {t->p->master, t->mean, t->square};
    return data[kind];
}

static void fill(Optimiser *a, int64_t step)
{
    a->step = step;
    for (int64_t i = 0; i < 3 * a->count; i++) {
        const Trained *t = a->trained + i / 3;
        for (int64_t n = 0; n < t->p->count; n++)
            tensor_of(t, (int)(i % 3))[n] = value_of(i / 3, (int)(i % 3), n, step);
    }
}

static void assert_filled(const Optimiser *a, int64_t step)
{
    assert_int_equal(a->step, step);
    for (int64_t i = 0; i < 3 * a->count; i++) {
        const Trained *t = a->trained + i / 3;
        for (int64_t n = 0; n < t->p->count; n++) {
            float want = value_of(i / 3, (int)(i % 3), n, step);
            float got = tensor_of(t, (int)(i % 3))[n];
            if (memcmp(&got, &want, sizeof want))
                fail_msg("%s, tensor %d, element %lld: %g, wanted %g", t->p->name, (int)(i % 3), (long long)n,
                         (double)got, (double)want);
        }
    }
}

static void set_logs(Fixture *f, const char *metrics, const char *timings)
{
    file_replace(f->run.metrics, metrics, strlen(metrics), &f->run.error);
    file_replace(f->run.timings, timings, strlen(timings), &f->run.error);
    tiny_run_must(&f->run);
}

static void assert_logs(const Fixture *f, const char *metrics, const char *timings)
{
    char *m = tiny_run_read(f->run.metrics);
    char *t = tiny_run_read(f->run.timings);
    assert_string_equal(m, metrics);
    assert_string_equal(t, timings);
    free(m);
    free(t);
}

static void save(Fixture *f, int64_t step)
{
    fill(&f->optimiser, step);
    state_save(&f->optimiser, &f->run.files, &f->run.error);
    tiny_run_must(&f->run);
}

static void resume(Fixture *f)
{
    fill(&f->optimiser, 77);
    state_resume(&f->optimiser, &f->run.files, &f->run.error);
    tiny_run_must(&f->run);
}

/* The path of a file of a state; good until the next call. */
static const char *state_path(const Fixture *f, int step, const char *file)
{
    static char path[400];
    snprintf(path, sizeof path, "%s/step-%d%s%s", f->run.states, step, *file ? "/" : "", file);
    return path;
}

/* --------------------------------------------------------------------------------------- tests */

static void comes_back(void **state)
{
    (void)state;
    Fixture f;
    make(&f);
    set_logs(&f, "one\ntwo\n", "1\n");
    save(&f, 2);
    set_logs(&f, "one\ntwo\nthree\nfo", "1\n2\n3\n");
    resume(&f);
    assert_filled(&f.optimiser, 2);
    assert_logs(&f, "one\ntwo\n", "1\n");
    finish(&f);
}

static void none_there(void **state)
{
    (void)state;
    Fixture f;
    make(&f);
    set_logs(&f, "old\n", "old\n");
    resume(&f);
    assert_filled(&f.optimiser, 77); /* as it was */
    assert_logs(&f, "", "");
    finish(&f);
}

/* The two latest are kept; step-10 is later than step-9. */
static void two_are_kept(void **state)
{
    (void)state;
    Fixture f;
    make(&f);
    set_logs(&f, "", "");
    for (int step = 8; step <= 11; step++) {
        save(&f, step);
        for (int other = 8; other <= 11; other++)
            assert_true(file_exists(state_path(&f, other, "")) == (other <= step && other >= step - 1));
    }
    resume(&f);
    assert_filled(&f.optimiser, 11);
    save(&f, 11); /* again, in the place of the one that is there */
    assert_true(file_exists(state_path(&f, 10, "")));
    resume(&f);
    assert_filled(&f.optimiser, 11);
    finish(&f);
}

/* What may happen to a file of a state. */
typedef enum { BYTE_IN_THE_MIDDLE, LAST_BYTE, CUT, REMOVED } Damage;

static void damage(const char *path, Damage kind)
{
    Text t = {0};
    Error e = {0};
    file_read(&t, path, 1 << 24, &e);
    must(&e);
    size_t at = kind == LAST_BYTE ? t.count - 1 : t.count / 2;
    t.data[at] = (char)(t.data[at] ^ 1);
    if (kind == REMOVED)
        file_remove(path, &e);
    else
        file_replace(path, t.data, kind == CUT ? at : t.count, &e);
    must(&e);
    text_free(&t);
}

/* Two states, of steps 5 and 6. */
static void save_two(Fixture *f)
{
    set_logs(f, "1\n", "1\n");
    save(f, 5);
    set_logs(f, "1\n2\n", "1\n2\n");
    save(f, 6);
}

/* The one before is taken. */
static void damaged_is_not_taken(void **state)
{
    static const struct {
        const char *file;
        Damage kind;
    } damages[] = {{"master.safetensors", BYTE_IN_THE_MIDDLE},
                   {"mean.safetensors", LAST_BYTE},
                   {"square.safetensors", LAST_BYTE},
                   {"mean.safetensors", CUT},
                   {"square.safetensors", REMOVED},
                   {"state.json", CUT},
                   {"state.json", REMOVED}};
    (void)state;
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        Fixture f;
        make(&f);
        save_two(&f);
        damage(state_path(&f, 6, damages[i].file), damages[i].kind);
        resume(&f);
        assert_filled(&f.optimiser, 5);
        assert_logs(&f, "1\n", "1\n");
        finish(&f);
    }
}

/* A folder with the name of another step. */
static void renamed_is_not_taken(void **state)
{
    (void)state;
    Fixture f;
    char from[400];
    make(&f);
    save_two(&f);
    strcpy(from, state_path(&f, 6, ""));
    file_rename(from, state_path(&f, 7, ""), &f.run.error);
    resume(&f);
    assert_filled(&f.optimiser, 5);
    finish(&f);
}

/* Both damaged: as if there were none. */
static void all_damaged(void **state)
{
    (void)state;
    Fixture f;
    make(&f);
    save_two(&f);
    damage(state_path(&f, 5, "mean.safetensors"), LAST_BYTE);
    damage(state_path(&f, 6, "master.safetensors"), LAST_BYTE);
    resume(&f);
    assert_filled(&f.optimiser, 77);
    assert_logs(&f, "", "");
    finish(&f);
}

static void of_another_run(void **state)
{
    (void)state;
    Fixture f;
    make(&f);
    set_logs(&f, "1\n2\n", "1\n");
    save(&f, 5);
    set_logs(&f, "1\n2\n3\n", "1\n");
    fill(&f.optimiser, 77);
    f.run.files.fingerprint = "another";
    assert_int_equal(state_resume(&f.optimiser, &f.run.files, &f.run.error), BAD_USAGE);
    assert_non_null(strstr(f.run.error.text, "then \"tiny\", now \"another\""));
    assert_filled(&f.optimiser, 77);
    assert_logs(&f, "1\n2\n3\n", "1\n");
    finish(&f);
}

/* Of many settings the first one that differs is named, not what stands before it. */
static void names_what_differs(void **state)
{
    (void)state;
    static const struct {
        const char *then, *now, *wanted;
    } cases[] = {{"level.batch 4; level.beta1 0.9; x 1", "level.batch 4; level.beta1 0.95; x 2",
                  "then \"level.beta1 0.9\", now \"level.beta1 0.95\""},
                 {"12 pairs; seed 0", "12 pairs; seed 0; x 1", "then \"\", now \"x 1\""},
                 {"12 pairs; seed 0; x 1", "12 pairs; seed 0", "then \"x 1\", now \"\""}};
    char shared[800] = "";
    char then[1000];
    char now[1000];
    for (int i = 0; i < 60; i++)
        strcat(shared, "level.x 12; ");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Fixture f;
        make(&f);
        set_logs(&f, "", "");
        snprintf(then, sizeof then, "%s%s", shared, cases[i].then);
        snprintf(now, sizeof now, "%s%s", shared, cases[i].now);
        f.run.files.fingerprint = then;
        save(&f, 5);
        f.run.files.fingerprint = now;
        assert_int_equal(state_resume(&f.optimiser, &f.run.files, &f.run.error), BAD_USAGE);
        if (!strstr(f.run.error.text, cases[i].wanted))
            fail_msg("\"%s\" lacks %s", f.run.error.text, cases[i].wanted);
        finish(&f);
    }
}

/* Weights of the right hash, but of another model. */
static void of_other_shape(void **state)
{
    (void)state;
    Fixture f;
    make(&f);
    set_logs(&f, "", "");
    save(&f, 5);
    Param *p = f.optimiser.trained[3].p;
    p->count--;
    assert_int_equal(state_resume(&f.optimiser, &f.run.files, &f.run.error), BAD_INPUT);
    assert_non_null(strstr(f.run.error.text, p->name));
    p->count++;
    finish(&f);
}

/* A log that lost what the state counts on. */
static void log_too_short(void **state)
{
    (void)state;
    Fixture f;
    make(&f);
    set_logs(&f, "1\n2\n", "1\n");
    save(&f, 5);
    set_logs(&f, "1\n", "1\n");
    assert_int_equal(state_resume(&f.optimiser, &f.run.files, &f.run.error), FAILED);
    finish(&f);
}

/* Files that are not there count as empty. */
static void no_logs_yet(void **state)
{
    (void)state;
    Fixture f;
    make(&f);
    save(&f, 5);
    char *text = tiny_run_read(state_path(&f, 5, "state.json"));
    assert_non_null(strstr(text, "\"metrics\": 0,"));
    assert_non_null(strstr(text, "\"timings\": 0"));
    free(text);
    finish(&f);
}

static uint64_t hash_of(const Fixture *f, const char *file)
{
    FileMap m;
    Error e = {0};
    file_map(&m, state_path(f, 12, file), &e);
    must(&e);
    const uint64_t h = hash_words(HASH_START, m.data, m.size);
    file_unmap(&m);
    return h;
}

/* Every parameter under its name, in the order of the parameters. */
static void assert_file(Fixture *f, const char *file, int kind)
{
    SafeTensors s;
    assert_int_equal(safetensors_open(&s, state_path(f, 12, file), &f->run.error), OK);
    assert_int_equal(s.count, f->run.vlm.checkpoint.params);
    for (int64_t i = 0; i < s.count; i++) {
        const Param *p = f->run.vlm.checkpoint.param[i];
        assert_string_equal(s.tensor[i].name, p->name);
        assert_int_equal(s.tensor[i].ndim, p->ndim);
        assert_memory_equal(s.tensor[i].dim, p->dim, (size_t)p->ndim * sizeof *p->dim);
        float *values = malloc((size_t)p->count * sizeof *values);
        const float first = value_of(i, kind, 0, 12);
        const float last = value_of(i, kind, p->count - 1, 12);
        assert_true(values && tensor_read(s.tensor + i, values));
        assert_memory_equal(values, &first, sizeof first);
        assert_memory_equal(values + p->count - 1, &last, sizeof last);
        free(values);
    }
    safetensors_close(&s);
}

static void same_form(void **state)
{
    (void)state;
    Fixture f;
    char want[400];
    make(&f);
    set_logs(&f, "one\ntwo\n", "1\n");
    save(&f, 12);
    snprintf(want, sizeof want,
             "{\n \"step\": 12,\n \"fingerprint\": \"tiny\",\n \"master\": \"%016llx\",\n \"mean\": "
             "\"%016llx\",\n \"square\": \"%016llx\",\n \"metrics\": 8,\n \"timings\": 2\n}",
             (unsigned long long)hash_of(&f, "master.safetensors"),
             (unsigned long long)hash_of(&f, "mean.safetensors"),
             (unsigned long long)hash_of(&f, "square.safetensors"));
    char *text = tiny_run_read(state_path(&f, 12, "state.json"));
    assert_string_equal(text, want);
    free(text);
    assert_file(&f, "master.safetensors", 0);
    assert_file(&f, "mean.safetensors", 1);
    assert_file(&f, "square.safetensors", 2);
    finish(&f);
}

/* What is on the disk is what was said before: two states, whatever number was saved. */
static void takes_what_was_said(void **state)
{
    (void)state;
    Fixture f;
    int64_t largest = 0;
    const int64_t header = 100000; /* bytes, generously */
    make(&f);
    set_logs(&f, "", "");
    const LevelConfig *level = &f.run.options.level;
    assert_int_equal(state_bytes(f.run.states), 0);
    for (int64_t step = 5; step < 8; step++)
        save(&f, step);
    const int64_t there = state_bytes(f.run.states);
    const int64_t states = 2 * 12 * optimiser_values(&f.run.vlm, level, ~0u);
    assert_in_range(there, states, states + header);
    assert_int_equal(estimate_states(&f.run.vlm, level), states);
    assert_true(estimate_result(&f.run.vlm, level, &largest) > 0 && largest == states / 6);
    LevelConfig none = *level;
    none.save_every = 0;
    assert_int_equal(estimate_states(&f.run.vlm, &none), 0);
    assert_int_equal(estimate_result(&f.run.vlm, &none, &largest), largest); /* one file */
    none.offload = "folder";                                                 /* then every step is a state */
    assert_int_equal(estimate_states(&f.run.vlm, &none), states);
    finish(&f);
}

/* What a kill left half written is neither taken nor in the way, and goes with the rest. */
static void half_written(void **state)
{
    (void)state;
    Fixture f;
    make(&f);
    set_logs(&f, "", "");
    save(&f, 5);
    char work[420];
    snprintf(work, sizeof work, "%s.tmp", state_path(&f, 6, ""));
    assert_int_equal(folder_make(work, &f.run.error), OK);
    strcat(work, "/mean.safetensors.tmp");
    assert_int_equal(file_replace(work, "half", 4, &f.run.error), OK);
    strcpy(strrchr(work, '/'), "/other");
    assert_int_equal(file_replace(work, "", 0, &f.run.error), OK);
    resume(&f);
    assert_filled(&f.optimiser, 5);
    save(&f, 6);
    assert_false(file_exists(state_path(&f, 6, "other")));
    snprintf(work, sizeof work, "%s.tmp", state_path(&f, 7, ""));
    assert_int_equal(folder_make(work, &f.run.error), OK);
    save(&f, 8); /* the one before is that of step 6 */
    assert_true(file_exists(state_path(&f, 6, "")) && !file_exists(state_path(&f, 5, "")));
    assert_int_equal(state_remove_all(f.run.states, &f.run.error), OK);
    assert_false(file_exists(f.run.states));
    assert_int_equal(state_remove_all(f.run.states, &f.run.error), OK);
    finish(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back),           cmocka_unit_test(none_there),
        cmocka_unit_test(two_are_kept),         cmocka_unit_test(damaged_is_not_taken),
        cmocka_unit_test(renamed_is_not_taken), cmocka_unit_test(all_damaged),
        cmocka_unit_test(of_another_run),       cmocka_unit_test(names_what_differs),
        cmocka_unit_test(of_other_shape),       cmocka_unit_test(log_too_short),
        cmocka_unit_test(no_logs_yet),          cmocka_unit_test(same_form),
        cmocka_unit_test(half_written),         cmocka_unit_test(takes_what_was_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
