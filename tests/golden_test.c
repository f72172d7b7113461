/* The comparer of golden.c: what differs must fail, however it differs. */
#include "golden.h"

#include "base/file.h"

#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { COUNT = 6 };
static const double truth[COUNT] = {1.5, -2, 0, 1e-3, 4, -0.25};

/* A golden tensor "t" of shape [2, 1, 3] and one of integers, "i", with PyTorch error 1e-6 and rms 2. */
typedef struct {
    Golden g;
    float got[COUNT];
} Fixture;

static const char path[] = "build/golden-test.safetensors";

/* Writes the file with the values of `t` and opens it. */
static void fixture_open_with(Fixture *f, const double t[COUNT])
{
    static const char header[] = "{\"t\":{\"dtype\":\"F64\",\"shape\":[2,1,3],\"data_offsets\":[0,48]},"
                                 "\"i\":{\"dtype\":\"I32\",\"shape\":[2],\"data_offsets\":[48,56]}}";
    unsigned char bytes[8 + sizeof header - 1 + 56], *data = bytes + 8 + sizeof header - 1;
    Error e = {0};
    store_u64(bytes, sizeof header - 1);
    memcpy(bytes + 8, header, sizeof header - 1);
    for (int i = 0; i < COUNT; i++) {
        uint64_t bits;
        memcpy(&bits, t + i, sizeof bits);
        store_u64(data + 8 * i, bits);
        f->got[i] = (float)truth[i];
    }
    store_u64(data + 48, UINT64_C(0xfffffffe00000007)); /* 7, -2 */
    f->g = (Golden){.name = "comparer", .quiet = true};
    f->g.notes.root = json_pack("{s:{s:{s:f,s:f}}}", "error", "t", "max_abs", 1e-6, "rms", 2.0);
    assert_non_null(f->g.notes.root);
    if (folder_make("build", &e) != OK || file_replace(path, bytes, sizeof bytes, &e) != OK || safetensors_open(&f->g.tensors, path, &e) != OK)
        fail_msg("%s", e.text);
}

static void fixture_open(Fixture *f)
{
    fixture_open_with(f, truth);
}

static void fixture_close(Fixture *f)
{
    free(f->g.ratio);
    json_decref(f->g.notes.root);
    safetensors_close(&f->g.tensors);
    remove(path);
}

static bool passes(Fixture *f, double factor)
{
    return golden_close_to(&f->g, "t", f->got, COUNT, factor, "golden.c");
}

static void equal_passes(void **state)
{
    (void)state;
    Fixture f;
    fixture_open(&f);
    assert_true(passes(&f, 4));
    assert_true(f.g.worst < 4 && f.g.compared == 1);
    fixture_close(&f);
}

static void one_changed_element_fails(void **state)
{
    (void)state;
    for (int i = 0; i < COUNT; i++) {
        Fixture f;
        fixture_open(&f);
        f.got[i] += 3e-6f;
        assert_true(passes(&f, 4));
        f.got[i] += 5e-6f;
        assert_false(passes(&f, 4));
        assert_int_equal(difference_of(f.got, COUNT, golden_tensor(&f.g, "t")).at, i);
        assert_true(f.g.worst > 4);
        fixture_close(&f);
    }
}

static void not_finite_fails(void **state)
{
    (void)state;
    const float bad[] = {NAN, INFINITY, -INFINITY};
    for (int i = 0; i < COUNT; i++)
        for (int b = 0; b < 3; b++) {
            Fixture f;
            fixture_open(&f);
            f.got[i] = bad[b];
            assert_false(passes(&f, 1e30));
            assert_false(golden_within(&f.g, "t", f.got, COUNT, 1, 1e30, "golden.c"));
            fixture_close(&f);
        }
}

static void truth_not_finite_fails(void **state)
{
    (void)state;
    Fixture f;
    const double bad[COUNT] = {1.5, -2, NAN, 1e-3, 4, -0.25};
    fixture_open_with(&f, bad);
    f.got[2] = NAN;
    assert_false(passes(&f, 4));
    fixture_close(&f);
}

static void zeros_fail(void **state)
{
    (void)state;
    Fixture f;
    fixture_open(&f);
    memset(f.got, 0, sizeof f.got);
    assert_false(passes(&f, 4));
    fixture_close(&f);
}

static void wrong_size_fails(void **state)
{
    (void)state;
    Fixture f;
    fixture_open(&f);
    assert_false(golden_close_to(&f.g, "t", f.got, COUNT - 1, 1e30, "golden.c"));
    assert_false(golden_close_to(&f.g, "t", f.got, 0, 1e30, "golden.c"));
    assert_false(golden_close_to(&f.g, "t", NULL, COUNT, 1e30, "golden.c"));
    assert_false(golden_matches(&f.g, "t", NULL, 1e30, "golden.c"));
    fixture_close(&f);
}

static void wrong_shape_fails(void **state)
{
    (void)state;
    Fixture f;
    fixture_open(&f);
    TensorOut out = {.name = "t", .dtype = F32, .ndim = 2, .dim = {2, 3}, .data = f.got};
    assert_true(golden_matches(&f.g, "t", &out, 4, "golden.c"));
    out.dim[0] = 3;
    out.dim[1] = 2;
    assert_false(golden_matches(&f.g, "t", &out, 1e30, "golden.c"));
    out = (TensorOut){.name = "t", .dtype = F32, .ndim = 1, .dim = {6}, .data = f.got};
    assert_false(golden_matches(&f.g, "t", &out, 1e30, "golden.c"));
    out = (TensorOut){.name = "t", .dtype = I32, .ndim = 2, .dim = {2, 3}, .data = f.got};
    assert_false(golden_matches(&f.g, "t", &out, 1e30, "golden.c"));
    fixture_close(&f);
}

static void integers_differ(void **state)
{
    (void)state;
    Fixture f;
    fixture_open(&f);
    const int32_t good[] = {7, -2}, bad[] = {7, 2};
    assert_true(golden_ints_equal(&f.g, "i", good, 2, "golden.c"));
    assert_false(golden_ints_equal(&f.g, "i", bad, 2, "golden.c"));
    assert_false(golden_ints_equal(&f.g, "i", good, 1, "golden.c"));
    assert_false(golden_ints_equal(&f.g, "i", NULL, 2, "golden.c"));
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_passes),      cmocka_unit_test(one_changed_element_fails), cmocka_unit_test(not_finite_fails),
        cmocka_unit_test(zeros_fail),        cmocka_unit_test(truth_not_finite_fails),    cmocka_unit_test(wrong_size_fails),
        cmocka_unit_test(wrong_shape_fails), cmocka_unit_test(integers_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
