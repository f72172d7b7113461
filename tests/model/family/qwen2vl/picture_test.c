/* Qwen2-VL's picture processing against Qwen2VLImageProcessor: golden/family/qwen2vl
 * by ref/family_qwen2vl.py. */
#include "fixture/golden.h"
#include "model/family/qwen2vl/picture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char source[] = "src/model/family/qwen2vl/picture.c";

static Qwen2VLPictures settings(const Golden *g)
{
    return (Qwen2VLPictures){.patch = golden_integer(g, "patch_size"),
                             .temporal = golden_integer(g, "temporal_patch_size"),
                             .merge = golden_integer(g, "merge_size"),
                             .limits = {golden_integer(g, "min_pixels"), golden_integer(g, "max_pixels")},
                             .normalise = golden_normalise(g)};
}

/* Frame t of every patch, [rows][channel][patch * patch]; owned. */
static float *frame_of(const Picture *picture, const Qwen2VLPictures *p, int64_t t)
{
    const int64_t area = p->patch * p->patch;
    float *out = malloc((size_t)(picture->rows * 3 * area) * sizeof *out);
    assert_non_null(out);
    for (int64_t i = 0; i < 3 * picture->rows; i++)
        memcpy(out + i * area, picture->pixels + (i * p->temporal + t) * area, (size_t)area * sizeof *out);
    return out;
}

/* A picture is its own only frame: all that a patch holds are equal. */
static void check_frames(Golden *g, const char *name, const Picture *picture, const Qwen2VLPictures *p)
{
    assert_int_equal(picture->cols, 3 * p->temporal * p->patch * p->patch);
    for (int64_t t = 0; t < p->temporal; t++) {
        float *frame = frame_of(picture, p, t);
        assert_true(
            golden_within(g, name, frame, picture->rows * picture->cols / p->temporal, 1e-6, 1, source));
        free(frame);
    }
}

static void check_case(Golden *g, const Qwen2VLPictures *p, const char *name)
{
    char rgb_name[40], pixels_name[40], grid_name[40];
    snprintf(rgb_name, sizeof rgb_name, "%s/rgb", name);
    snprintf(pixels_name, sizeof pixels_name, "%s/pixel_values", name);
    snprintf(grid_name, sizeof grid_name, "%s/image_grid_thw", name);
    const Tensor *rgb = golden_tensor(g, rgb_name);
    unsigned char *copy = malloc(rgb->bytes);
    assert_non_null(copy);
    memcpy(copy, rgb->data, rgb->bytes);
    Image image = {rgb->dim[1], rgb->dim[0], copy};
    Picture out;
    Error e = {0};
    if (qwen2vl_picture(p, &out, &image, NULL, &e) != OK)
        fail_msg("picture %s: %s", name, e.text);
    const int32_t grid[] = {(int32_t)out.grid[0], (int32_t)out.grid[1], (int32_t)out.grid[2]};
    assert_true(golden_ints_equal(g, grid_name, grid, 3, source));
    check_frames(g, pixels_name, &out, p);
    assert_int_equal(out.tokens, out.rows / (p->merge * p->merge));
    picture_free(&out);
    free(copy);
}

static void test_pictures(void **state)
{
    (void)state;
    Golden g;
    golden_open(&g, "family/qwen2vl/pictures");
    Qwen2VLPictures p = settings(&g);
    const json_t *cases = json_object_get(g.notes.root, "cases");
    assert_true(json_array_size(cases) > 5);
    for (size_t i = 0; i < json_array_size(cases); i++)
        check_case(&g, &p, json_string_value(json_array_get(cases, i)));
    golden_close(&g);
}

/* [width, height, min, max, new width, new height]; null where the processor raises an error. */
static void test_sizes(void **state)
{
    (void)state;
    Golden g;
    golden_open(&g, "family/qwen2vl/pictures");
    const json_t *rows = json_object_get(g.notes.root, "sizes");
    int refused = 0;
    assert_true(json_array_size(rows) > 100);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        int64_t width = row_at(row, 0);
        int64_t height = row_at(row, 1);
        /* to a side of 0 the processor cannot resize either */
        bool wanted = row_at(row, 4) > 0 && row_at(row, 5) > 0;
        Error e = {0};
        Status status = qwen2vl_smart_resize(&height, &width, 28,
                                             &(PixelLimits){row_at(row, 2), row_at(row, 3)}, false, &e);
        refused += !wanted;
        if ((status == OK) != wanted || (wanted && (width != row_at(row, 4) || height != row_at(row, 5))))
            fail_msg("row %zu: %lld x %lld came to %lld x %lld (%s); read %s", i, (long long)row_at(row, 0),
                     (long long)row_at(row, 1), (long long)width, (long long)height, e.text, source);
    }
    assert_true(refused > 3);
    golden_drop(&g);
}

/* The published pipeline's two resizes, as measured on qwen-vl-utils 0.0.11 and the processor
 * with 128 to 512 tokens of 28x28. */
static void test_published_sizes(void **state)
{
    (void)state;
    static const int64_t rows[][6] = {{683, 1024, 672, 1036, 504, 784},
                                      {768, 1024, 756, 1036, 532, 728},
                                      {480, 640, 476, 644, 476, 644},
                                      {224, 224, 224, 224, 336, 336}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t height = rows[i][0];
        int64_t width = rows[i][1];
        Error e = {0};
        assert_int_equal(
            qwen2vl_smart_resize(&height, &width, 28, &(PixelLimits){4 * 784, 16384 * 784}, true, &e), OK);
        assert_true(height == rows[i][2] && width == rows[i][3]);
        assert_int_equal(
            qwen2vl_smart_resize(&height, &width, 28, &(PixelLimits){128 * 784, 512 * 784}, false, &e), OK);
        assert_true(height == rows[i][4] && width == rows[i][5]);
    }
    int64_t height = 10;
    int64_t width = 300; /* a side under 28 grows there, and is an error elsewhere */
    Error e = {0};
    assert_int_equal(
        qwen2vl_smart_resize(&height, &width, 28, &(PixelLimits){4 * 784, 16384 * 784}, true, &e), OK);
    assert_int_equal(height, 28);
}

/* The same by a picture's options: limits in place of the checkpoint's, and two resizes. */
static void test_options(void **state)
{
    (void)state;
    enum { WIDTH = 1024, HEIGHT = 683 };
    static unsigned char data[3 * WIDTH * HEIGHT];
    const Qwen2VLPictures p = {.patch = 14,
                               .temporal = 2,
                               .merge = 2,
                               .limits = {3136, 12845056},
                               .normalise = {.rescale = 1.0 / 255, .std = {1, 1, 1}}};
    const struct {
        const PictureOptions *options;
        int64_t down, across;
    } rows[] = {
        {NULL, 48, 74},
        {&(PictureOptions){0}, 48, 74},
        {&(PictureOptions){.max_pixels = 512 * 784}, 36, 54},
        {&(PictureOptions){.min_pixels = 1280 * 784}, 60, 88},
        {&(PictureOptions){.min_pixels = 128 * 784, .max_pixels = 512 * 784, .published = true}, 36, 56},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Error e = {0};
        Picture out;
        assert_int_equal(qwen2vl_picture(&p, &out, &(Image){WIDTH, HEIGHT, data}, rows[i].options, &e), OK);
        if (out.grid[1] != rows[i].down || out.grid[2] != rows[i].across)
            fail_msg("options %zu: %lld x %lld patches; read %s", i, (long long)out.grid[1],
                     (long long)out.grid[2], source);
        assert_int_equal(out.tokens, rows[i].down * rows[i].across / 4);
        picture_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pictures), cmocka_unit_test(test_sizes),
                                       cmocka_unit_test(test_published_sizes),
                                       cmocka_unit_test(test_options)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
