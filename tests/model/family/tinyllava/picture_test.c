/* TinyLLaVA's pictures against expand2square and SiglipImageProcessor: golden/family/tinyllava by
 * ref/family_tinyllava.py. */
#include "fixture/golden.h"
#include "fixture/must.h"

#include "model/family/tinyllava/picture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static const char source[] = "src/model/family/tinyllava/picture.c";

/* The one patch is the whole picture [3, side, side]. */
static void check_picture(Golden *g, const json_t *o)
{
    const int64_t side = row_integer(o, "image_size");
    const TinyLlavaPictures p = {.size = side, .patch = side, .pad = true};
    Image rgb;
    Picture out;
    Error e = {0};
    image_read(&rgb, row_string(o, "file"), &e);
    must(&e);
    tinyllava_picture(&p, &out, &rgb, &e);
    must(&e);
    assert_int_equal(out.rows, 1);
    assert_int_equal(out.tokens, 1);
    assert_true(golden_within(g, row_string(o, "tensor"), out.pixels, out.rows * out.cols, 1e-6, 1, source));
    picture_free(&out);
    image_free(&rgb);
}

static void test_pictures(void **state)
{
    (void)state;
    Golden g;
    golden_open(&g, "family/tinyllava/pictures");
    const json_t *cases = json_object_get(g.notes.root, "cases");
    assert_true(json_array_size(cases) > 5);
    for (size_t i = 0; i < json_array_size(cases); i++)
        check_picture(&g, json_array_get(cases, i));
    golden_close(&g);
}

/* Pixels beyond the last whole patch are no part of any patch, but of the frame. */
static void test_leftover_pixels(void **state)
{
    (void)state;
    const TinyLlavaPictures p = {.size = 11, .patch = 4, .pad = true};
    Image rgb;
    Picture out;
    Error e = {0};
    image_read(&rgb, "golden/model/odd.png", &e);
    must(&e);
    tinyllava_picture(&p, &out, &rgb, &e);
    must(&e);
    assert_int_equal(out.rows, 4);
    assert_int_equal(out.cols, 3 * 4 * 4);
    assert_int_equal(out.frame.width, 11);
    assert_int_equal(out.frame.height, 11);
    const unsigned char *pixel = out.frame.data + (4 * 11 + 7) * 3 + 1; /* row 4, column 7: patch 3, (0, 3) */
    const float want = normalise(&tinyllava_normalise, *pixel, 1);
    const float got = out.pixels[3 * out.cols + 1 * 16 + 0 * 4 + 3];
    assert_true(got >= want && got <= want);
    picture_free(&out);
    image_free(&rgb);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pictures),
                                       cmocka_unit_test(test_leftover_pixels)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
