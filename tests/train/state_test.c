/* States: what is saved comes back to the bit, in files of this form, and takes the room that was said. */
#include "fixture/must.h"
#include "fixture/tiny_state.h"

#include "base/file.h"
#include "base/folder.h"
#include "base/hash.h"
#include "tensor/safetensors.h"
#include "train/estimate.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void comes_back(void **state)
{
    (void)state;
    TinyState f;
    tiny_state_make(&f);
    tiny_state_set_logs(&f, "one\ntwo\n", "1\n");
    tiny_state_save(&f, 2);
    tiny_state_set_logs(&f, "one\ntwo\nthree\nfo", "1\n2\n3\n");
    tiny_state_resume(&f);
    tiny_state_filled(&f.optimiser, 2);
    tiny_state_logs(&f, "one\ntwo\n", "1\n");
    tiny_state_free(&f);
}

static void none_there(void **state)
{
    (void)state;
    TinyState f;
    tiny_state_make(&f);
    tiny_state_set_logs(&f, "old\n", "old\n");
    tiny_state_resume(&f);
    tiny_state_filled(&f.optimiser, 77); /* as it was */
    tiny_state_logs(&f, "", "");
    tiny_state_free(&f);
}

/* The two latest are kept; step-10 is later than step-9. */
static void two_are_kept(void **state)
{
    (void)state;
    TinyState f;
    tiny_state_make(&f);
    tiny_state_set_logs(&f, "", "");
    for (int step = 8; step <= 11; step++) {
        tiny_state_save(&f, step);
        for (int other = 8; other <= 11; other++)
            assert_true(file_exists(tiny_state_path(&f, other, "")) == (other <= step && other >= step - 1));
    }
    tiny_state_resume(&f);
    tiny_state_filled(&f.optimiser, 11);
    tiny_state_save(&f, 11); /* again, in the place of the one that is there */
    assert_true(file_exists(tiny_state_path(&f, 10, "")));
    tiny_state_resume(&f);
    tiny_state_filled(&f.optimiser, 11);
    tiny_state_free(&f);
}

/* Files that are not there count as empty. */
static void no_logs_yet(void **state)
{
    (void)state;
    TinyState f;
    tiny_state_make(&f);
    tiny_state_save(&f, 5);
    char *text = tiny_run_read(tiny_state_path(&f, 5, "state.json"));
    assert_non_null(strstr(text, "\"metrics\": 0,"));
    assert_non_null(strstr(text, "\"timings\": 0"));
    free(text);
    tiny_state_free(&f);
}

static uint64_t hash_of(const TinyState *f, const char *file)
{
    FileMap m;
    Error e = {0};
    file_map(&m, tiny_state_path(f, 12, file), &e);
    must(&e);
    const uint64_t h = hash_words(HASH_START, m.data, m.size);
    file_unmap(&m);
    return h;
}

/* Every parameter under its name, in the order of the parameters. */
static void assert_file(TinyState *f, const char *file, int kind)
{
    SafeTensors s;
    assert_int_equal(safetensors_open(&s, tiny_state_path(f, 12, file), &f->run.error), OK);
    assert_int_equal(s.count, f->run.vlm.checkpoint.params);
    for (int64_t i = 0; i < s.count; i++) {
        const Param *p = f->run.vlm.checkpoint.param[i];
        assert_string_equal(s.tensor[i].name, p->name);
        assert_int_equal(s.tensor[i].ndim, p->ndim);
        assert_memory_equal(s.tensor[i].dim, p->dim, (size_t)p->ndim * sizeof *p->dim);
        float *values = malloc((size_t)p->count * sizeof *values);
        const float first = tiny_state_value(i, kind, 0, 12);
        const float last = tiny_state_value(i, kind, p->count - 1, 12);
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
    TinyState f;
    char want[400];
    tiny_state_make(&f);
    tiny_state_set_logs(&f, "one\ntwo\n", "1\n");
    tiny_state_save(&f, 12);
    snprintf(want, sizeof want,
             "{\n \"step\": 12,\n \"fingerprint\": \"tiny\",\n \"master\": \"%016llx\",\n \"mean\": "
             "\"%016llx\",\n \"square\": \"%016llx\",\n \"metrics\": 8,\n \"timings\": 2\n}",
             (unsigned long long)hash_of(&f, "master.safetensors"),
             (unsigned long long)hash_of(&f, "mean.safetensors"),
             (unsigned long long)hash_of(&f, "square.safetensors"));
    char *text = tiny_run_read(tiny_state_path(&f, 12, "state.json"));
    assert_string_equal(text, want);
    free(text);
    assert_file(&f, "master.safetensors", 0);
    assert_file(&f, "mean.safetensors", 1);
    assert_file(&f, "square.safetensors", 2);
    tiny_state_free(&f);
}

/* What is on the disk is what was said before: two states, whatever number was saved. */
static void takes_what_was_said(void **state)
{
    (void)state;
    TinyState f;
    int64_t largest = 0;
    const int64_t header = 100000; /* bytes, generously */
    tiny_state_make(&f);
    tiny_state_set_logs(&f, "", "");
    const LevelConfig *level = &f.run.options.level;
    assert_int_equal(state_bytes(f.run.states), 0);
    for (int64_t step = 5; step < 8; step++)
        tiny_state_save(&f, step);
    const int64_t there = state_bytes(f.run.states);
    const int64_t states = 2 * 12 * optimiser_values(&f.run.vlm, level, ~0u);
    assert_in_range(there, states, states + header);
    assert_int_equal(estimate_states(&f.run.vlm, level), states);
    assert_true(estimate_result(&f.run.vlm, level, &largest) > 0 && largest == states / 6);
    LevelConfig none = *level;
    none.save_every = 0;
    assert_int_equal(estimate_states(&f.run.vlm, &none), 0);
    const int64_t result = estimate_result(&f.run.vlm, &none, &largest);
    assert_int_equal(largest, result / f.run.vlm.checkpoint.files); /* a shard */
    none.offload = "folder";                                        /* then every step is a state */
    assert_int_equal(estimate_states(&f.run.vlm, &none), states);
    tiny_state_free(&f);
}

/* What a kill left half written is neither taken nor in the way, and goes with the rest. */
static void half_written(void **state)
{
    (void)state;
    TinyState f;
    tiny_state_make(&f);
    tiny_state_set_logs(&f, "", "");
    tiny_state_save(&f, 5);
    char work[420];
    snprintf(work, sizeof work, "%s.tmp", tiny_state_path(&f, 6, ""));
    assert_int_equal(folder_make(work, &f.run.error), OK);
    strcat(work, "/mean.safetensors.tmp");
    assert_int_equal(file_replace(work, "half", 4, &f.run.error), OK);
    strcpy(strrchr(work, '/'), "/other");
    assert_int_equal(file_replace(work, "", 0, &f.run.error), OK);
    tiny_state_resume(&f);
    tiny_state_filled(&f.optimiser, 5);
    tiny_state_save(&f, 6);
    assert_false(file_exists(tiny_state_path(&f, 6, "other")));
    snprintf(work, sizeof work, "%s.tmp", tiny_state_path(&f, 7, ""));
    assert_int_equal(folder_make(work, &f.run.error), OK);
    tiny_state_save(&f, 8); /* the one before is that of step 6 */
    assert_true(file_exists(tiny_state_path(&f, 6, "")) && !file_exists(tiny_state_path(&f, 5, "")));
    assert_int_equal(state_remove_all(f.run.states, &f.run.error), OK);
    assert_false(file_exists(f.run.states));
    assert_int_equal(state_remove_all(f.run.states, &f.run.error), OK);
    tiny_state_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(comes_back),   cmocka_unit_test(none_there),
                                       cmocka_unit_test(two_are_kept), cmocka_unit_test(no_logs_yet),
                                       cmocka_unit_test(same_form),    cmocka_unit_test(takes_what_was_said),
                                       cmocka_unit_test(half_written)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
