/* States that are damaged, of another run or of another model: never taken, and named. */
#include "fixture/must.h"
#include "fixture/tiny_state.h"

#include "base/file.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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
static void save_two(TinyState *f)
{
    tiny_state_set_logs(f, "1\n", "1\n");
    tiny_state_save(f, 5);
    tiny_state_set_logs(f, "1\n2\n", "1\n2\n");
    tiny_state_save(f, 6);
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
        TinyState f;
        tiny_state_make(&f);
        save_two(&f);
        damage(tiny_state_path(&f, 6, damages[i].file), damages[i].kind);
        tiny_state_resume(&f);
        tiny_state_filled(&f.optimiser, 5);
        tiny_state_logs(&f, "1\n", "1\n");
        tiny_state_free(&f);
    }
}

/* A folder with the name of another step. */
static void renamed_is_not_taken(void **state)
{
    (void)state;
    TinyState f;
    char from[400];
    tiny_state_make(&f);
    save_two(&f);
    strcpy(from, tiny_state_path(&f, 6, ""));
    file_rename(from, tiny_state_path(&f, 7, ""), &f.run.error);
    tiny_state_resume(&f);
    tiny_state_filled(&f.optimiser, 5);
    tiny_state_free(&f);
}

/* Both damaged: as if there were none. */
static void all_damaged(void **state)
{
    (void)state;
    TinyState f;
    tiny_state_make(&f);
    save_two(&f);
    damage(tiny_state_path(&f, 5, "mean.safetensors"), LAST_BYTE);
    damage(tiny_state_path(&f, 6, "master.safetensors"), LAST_BYTE);
    tiny_state_resume(&f);
    tiny_state_filled(&f.optimiser, 77);
    tiny_state_logs(&f, "", "");
    tiny_state_free(&f);
}

static void of_another_run(void **state)
{
    (void)state;
    TinyState f;
    tiny_state_make(&f);
    tiny_state_set_logs(&f, "1\n2\n", "1\n");
    tiny_state_save(&f, 5);
    tiny_state_set_logs(&f, "1\n2\n3\n", "1\n");
    tiny_state_fill(&f.optimiser, 77);
    f.run.files.fingerprint = "another";
    assert_int_equal(state_resume(&f.optimiser, &f.run.files, &f.run.error), BAD_USAGE);
    assert_non_null(strstr(f.run.error.text, "then \"tiny\", now \"another\""));
    tiny_state_filled(&f.optimiser, 77);
    tiny_state_logs(&f, "1\n2\n3\n", "1\n");
    tiny_state_free(&f);
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
        TinyState f;
        tiny_state_make(&f);
        tiny_state_set_logs(&f, "", "");
        snprintf(then, sizeof then, "%s%s", shared, cases[i].then);
        snprintf(now, sizeof now, "%s%s", shared, cases[i].now);
        f.run.files.fingerprint = then;
        tiny_state_save(&f, 5);
        f.run.files.fingerprint = now;
        assert_int_equal(state_resume(&f.optimiser, &f.run.files, &f.run.error), BAD_USAGE);
        if (!strstr(f.run.error.text, cases[i].wanted))
            fail_msg("\"%s\" lacks %s", f.run.error.text, cases[i].wanted);
        tiny_state_free(&f);
    }
}

/* Weights of the right hash, but of another model. */
static void of_other_shape(void **state)
{
    (void)state;
    TinyState f;
    tiny_state_make(&f);
    tiny_state_set_logs(&f, "", "");
    tiny_state_save(&f, 5);
    Param *p = f.optimiser.trained[3].p;
    p->count--;
    assert_int_equal(state_resume(&f.optimiser, &f.run.files, &f.run.error), BAD_INPUT);
    assert_non_null(strstr(f.run.error.text, p->name));
    p->count++;
    tiny_state_free(&f);
}

/* A log that lost what the state counts on. */
static void log_too_short(void **state)
{
    (void)state;
    TinyState f;
    tiny_state_make(&f);
    tiny_state_set_logs(&f, "1\n2\n", "1\n");
    tiny_state_save(&f, 5);
    tiny_state_set_logs(&f, "1\n", "1\n");
    assert_int_equal(state_resume(&f.optimiser, &f.run.files, &f.run.error), FAILED);
    tiny_state_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damaged_is_not_taken), cmocka_unit_test(renamed_is_not_taken),
        cmocka_unit_test(all_damaged),          cmocka_unit_test(of_another_run),
        cmocka_unit_test(names_what_differs),   cmocka_unit_test(of_other_shape),
        cmocka_unit_test(log_too_short)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
