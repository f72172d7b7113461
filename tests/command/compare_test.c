/* compare_files: what departs is found, by value, NaN, infinity, shape, type and absence;
 * nothing else is. */
#include "fixture/scratch.h"

#include "command/compare.h"
#include "tensor/safetensors.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { COUNT = 4 };

static TensorOut vector(const char *name, Dtype type, const void *data)
{
    return (TensorOut){.name = name, .dtype = type, .ndim = 1, .dim = {COUNT}, .data = data, .held = F32};
}

static void write_file(Scratch *s, const char *name, const TensorOut *tensors, int64_t count)
{
    Error e = {0};
    if (safetensors_write(scratch_path(s, name), tensors, count, &e) != OK)
        fail_msg("%s", e.text);
}

/* Compares files a and b; `last` must stand in the last line of the table, `row` (or NULL)
 * anywhere in it. */
static void expect(Scratch *s, double tolerance, Status wanted, const char *last, const char *row)
{
    char a[320], b[320];
    strcpy(a, scratch_path(s, "a"));
    strcpy(b, scratch_path(s, "b"));
    FILE *out = tmpfile();
    assert_non_null(out);
    Error e = {0};
    Status status = compare_files(a, b, tolerance, out, &e);
    char text[4000] = {0};
    rewind(out);
    size_t n = fread(text, 1, sizeof text - 1, out);
    fclose(out);
    if (status != wanted)
        fail_msg("status %d, wanted %d: %s\n%s", (int)status, (int)wanted, e.text, text);
    assert_true(n > 0 && text[n - 1] == '\n');
    text[n - 1] = 0;
    char *end = strrchr(text, '\n');
    if (!end || !strstr(end, last) || (row && !strstr(text, row)))
        fail_msg("the table should end with \"%s\" and hold \"%s\":\n%s", last, row ? row : "", text);
}

/* One tensor of four values against another. */
static void expect_values(Scratch *s, const float *a, const float *b, double tolerance, Status wanted)
{
    const TensorOut x = vector("w", F32, a), y = vector("w", F32, b);
    write_file(s, "a", &x, 1);
    write_file(s, "b", &y, 1);
    expect(s, tolerance, wanted, wanted == OK ? "no tensor departs" : "the first is w, by", NULL);
}

static void test_values(void **state)
{
    (void)state;
    const float inf = INFINITY, nan = NAN;
    const float base[] = {1, -1, 1, -1}, near[] = {1, -1, 1.0009765625f, -1},
                tiny[] = {1, -1, 1.00000012f, -1};
    const float zero[] = {0, 0, 0, 0}, minus[] = {-0.0f, 0, 0, 0}, denormal[] = {0, 0, 1e-45f, 0};
    const float infinite[] = {1, inf, 1, 1}, opposite[] = {1, -inf, 1, 1}, finite[] = {1, 3.4e38f, 1, 1},
                broken[] = {1, nan, 1, 1};
    Scratch s;
    scratch_make(&s);
    expect_values(&s, base, base, 0, OK);
    expect_values(&s, base, tiny, 0, DIFFERENT);
    expect_values(&s, base, tiny, 1e-6, OK);
    expect_values(&s, base, near, 9.7e-4, DIFFERENT);
    expect_values(&s, base, near, 9.8e-4, OK); /* rms 1, difference 2^-10 */
    expect_values(&s, zero, zero, 0, OK);
    expect_values(&s, zero, minus, 0, OK);
    expect_values(&s, zero, denormal, 1e9, DIFFERENT); /* nothing is near to zeros but zero */
    expect_values(&s, infinite, infinite, 0, OK);
    expect_values(&s, infinite, opposite, 1e9, DIFFERENT);
    expect_values(&s, infinite, finite, 1e9, DIFFERENT);
    expect_values(&s, finite, infinite, 1e9, DIFFERENT);
    expect_values(&s, broken, broken, 1e9, DIFFERENT);
    expect_values(&s, broken, base, 1e9, DIFFERENT);
    expect_values(&s, base, broken, 1e9, DIFFERENT);
    scratch_remove(&s);
}

static void test_shapes_types_names(void **state)
{
    (void)state;
    const float v[] = {1, 2, 3, 4}, w[] = {1, 2, 3, 5};
    const int32_t ids[] = {1, -2, 3, 2147483647}, others[] = {1, -2, 3, 2147483646};
    const TensorOut a[] = {vector("first", F32, v), vector("second", F32, v)};
    TensorOut b[] = {vector("second", F32, w), vector("first", F32, v)};
    Scratch s;
    scratch_make(&s);
    write_file(&s, "a", a, 2);
    write_file(&s, "b", b, 2);
    expect(&s, 0, DIFFERENT, "the first is second, by", "departs");
    b[0] = vector("second", BF16, v);
    write_file(&s, "b", b, 2);
    expect(&s, 9, DIFFERENT, "second, which has another type", "BF16[4] in B");
    b[0] = (TensorOut){.name = "second", .dtype = F32, .ndim = 2, .dim = {2, 2}, .data = v, .held = F32};
    write_file(&s, "b", b, 2);
    expect(&s, 9, DIFFERENT, "second, which has another shape", "F32[2,2] in B");
    b[0] = vector("third\x1B[31m", F32, v);
    write_file(&s, "b", b, 2);
    expect(&s, 9, DIFFERENT, "2 of 3 tensors depart; the first is second, which is in one file only",
           "third?[31m");
    write_file(&s, "b", a, 2);
    expect(&s, 0, OK, "no tensor departs (2 compared)", NULL);
    const TensorOut x = vector("ids", I32, ids), y = vector("ids", I32, others);
    write_file(&s, "a", &x, 1);
    write_file(&s, "b", &x, 1);
    expect(&s, 0, OK, "no tensor departs", NULL);
    write_file(&s, "b", &y, 1);
    expect(&s, 0, DIFFERENT, "the first is ids, by 1.000e+00", NULL);
    scratch_remove(&s);
}

/* The first is the first in the order of the data, not of the names. */
static void test_order(void **state)
{
    (void)state;
    const float v[] = {1, 2, 3, 4}, w[] = {1, 2, 3, 5};
    const TensorOut a[] = {vector("z", F32, v), vector("a", F32, v)},
                    b[] = {vector("a", F32, w), vector("z", F32, w)};
    Scratch s;
    scratch_make(&s);
    write_file(&s, "a", a, 2);
    write_file(&s, "b", b, 2);
    expect(&s, 0, DIFFERENT, "2 of 2 tensors depart; the first is z", NULL);
    scratch_remove(&s);
}

static void test_bad_files(void **state)
{
    (void)state;
    const float v[] = {1, 2, 3, 4};
    const TensorOut a = vector("w", F32, v);
    char path[320];
    Scratch s;
    Error e = {0};
    scratch_make(&s);
    write_file(&s, "a", &a, 1);
    strcpy(path, scratch_path(&s, "a"));
    assert_int_equal(compare_files(path, scratch_path(&s, "absent"), 0, stderr, &e), BAD_INPUT);
    assert_true(strstr(e.text, "absent") != NULL);
    e = (Error){0};
    assert_int_equal(compare_files(path, path, -1, stderr, &e), BAD_USAGE);
    e = (Error){0};
    assert_int_equal(compare_files(path, path, (double)NAN, stderr, &e), BAD_USAGE);
    scratch_remove(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_values),
                                       cmocka_unit_test(test_shapes_types_names),
                                       cmocka_unit_test(test_order), cmocka_unit_test(test_bad_files)};
    return cmocka_run_group_tests_name("mpa/compare", tests, NULL, NULL);
}
