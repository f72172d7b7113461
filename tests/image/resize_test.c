/* image_resize against Pillow (ref/golden_image.py), bit for bit; speed of a large tile. */
#include "fixture/golden.h"

#include "base/memory.h"
#include "image/image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

/* The golden picture; its data are copied. */
static Image golden_image(const Golden *g, const char *name)
{
    const Tensor *t = golden_tensor(g, name);
    if (t->dtype != U8 || t->ndim != 3 || t->dim[2] != 3)
        fail_msg("golden/%s: %s is no picture", g->name, name);
    Image im = {t->dim[1], t->dim[0], memory_new((int64_t)t->bytes, 1, &(Error){0})};
    assert_non_null(im.data);
    memcpy(im.data, t->data, t->bytes);
    return im;
}

/* Counts the samples that differ. */
static int64_t compare_case(const Golden *g, const json_t *c)
{
    const char *name = json_string_value(json_object_get(c, "out")),
               *kind = json_string_value(json_object_get(c, "filter"));
    Image in = golden_image(g, json_string_value(json_object_get(c, "in"))), want = golden_image(g, name),
          got;
    Error e = {0};
    if (image_resize(&got, &in, want.width, want.height, strcmp(kind, "lanczos") ? BICUBIC : LANCZOS, &e) !=
        OK)
        fail_msg("%s: %s", name, e.text);
    int64_t different = got.width != want.width || got.height != want.height,
            samples = want.width * want.height * 3;
    for (int64_t i = 0; i < samples && got.width == want.width && got.height == want.height; i++)
        different += got.data[i] != want.data[i];
    if (different)
        print_error("golden/%s: %s: %lld of %lld samples differ from Pillow's; read src/image/resize.c\n",
                    g->name, name, (long long)different, (long long)samples);
    image_free(&in);
    image_free(&want);
    image_free(&got);
    return different;
}

static void test_pillow(void **state)
{
    (void)state;
    Golden g;
    golden_open(&g, "image/resize");
    json_t *cases = json_object_get(g.notes.root, "cases"), *c;
    size_t i;
    int64_t different = 0;
    json_array_foreach(cases, i, c)
    {
        different += compare_case(&g, c);
    }
    assert_true(json_array_size(cases) >= 80);
    assert_int_equal(different, 0);
    golden_drop(&g);
}

static void test_bad_sizes(void **state)
{
    (void)state;
    unsigned char pixel[3] = {1, 2, 3};
    const Image in = {1, 1, pixel};
    const int64_t sizes[][2] = {{0, 1}, {1, 0}, {-1, 5}, {INT64_MAX, INT64_MAX}, {INT64_MAX / 2, 1}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        Image out;
        Error e = {0};
        assert_int_not_equal(image_resize(&out, &in, sizes[i][0], sizes[i][1], BICUBIC, &e), OK);
        assert_null(out.data);
        assert_true(e.text[0] != 0);
    }
}

static void test_flat_stays_flat(void **state)
{
    (void)state;
    Image in = {300, 200, memory_new(300 * 200, 3, &(Error){0})}, out;
    Error e = {0};
    memset(in.data, 201, 300 * 200 * 3);
    clock_t start = clock();
    assert_int_equal(image_resize(&out, &in, 2048, 2048, LANCZOS, &e), OK);
    double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    for (int64_t i = 0; i < 2048 * 2048 * 3; i++)
        if (out.data[i] != 201)
            fail_msg("sample %lld is %d; read src/image/resize.c", (long long)i, out.data[i]);
    print_message("  2048 x 2048 Lanczos: %.2f s\n", seconds);
    image_free(&in);
    image_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pillow), cmocka_unit_test(test_bad_sizes),
                                       cmocka_unit_test(test_flat_stays_flat)};
    return cmocka_run_group_tests_name("image/resize", tests, NULL, NULL);
}
