/* SmolVLM's picture processing against Idefics3ImageProcessor, and the positions of patches against
 * Idefics3VisionEmbeddings: golden/family/smolvlm by ref/family_smolvlm.py. */
#include "fixture/golden.h"
#include "fixture/scratch.h"
#include "model/block/siglip.h"
#include "model/family/smolvlm/picture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char source[] = "src/model/family/smolvlm/picture.c";

static SmolVLMPictures settings(const Golden *g)
{
    return (SmolVLMPictures){.longest_edge = golden_integer(g, "longest_edge"),
                             .tile = golden_integer(g, "tile"),
                             .patch = golden_integer(g, "patch_size"),
                             .scale = 2,
                             .normalise = golden_normalise(g)};
}

/* The patches put back together: [frames, 3, side, side]. Owned by the caller. */
static float *frames_of(const Picture *p, int64_t P)
{
    int64_t down = p->grid[1];
    int64_t across = p->grid[2];
    int64_t H = down * P;
    int64_t W = across * P;
    int64_t frames = p->grid[0];
    float *out = malloc((size_t)(frames * 3 * H * W) * sizeof *out);
    float *to = out;
    assert_non_null(out);
    for (int64_t f = 0; f < frames; f++)
        for (int64_t c = 0; c < 3; c++)
            for (int64_t y = 0; y < H; y++)
                for (int64_t x = 0; x < W; x++) {
                    const float *patch = p->pixels + ((f * down + y / P) * across + x / P) * p->cols;
                    *to = patch[(c * P + y % P) * P + x % P];
                    to++;
                }
    return out;
}

static void check_picture(Golden *g, SmolVLMPictures p, const json_t *o)
{
    const char *file = row_string(o, "file");
    const char *tensor = row_string(o, "tensor");
    const Tensor *want = golden_tensor(g, tensor);
    Image rgb;
    Picture out;
    Error e = {0};
    p.split = json_is_true(json_object_get(o, "split"));
    if (image_read(&rgb, file, &e) != OK || smolvlm_picture(&p, &out, &rgb, &e) != OK)
        fail_msg("%s: %s", tensor, e.text);
    int64_t side = p.tile / p.patch;
    if (out.grid[0] != want->dim[0] || out.grid[1] != side || out.grid[2] != side ||
        out.rows != out.grid[0] * side * side || out.tiles[0] != row_integer(o, "rows") ||
        out.tiles[1] != row_integer(o, "cols"))
        fail_msg("%s: %lld frames in %lld x %lld tiles, wanted %lld; read %s", tensor, (long long)out.grid[0],
                 (long long)out.tiles[0], (long long)out.tiles[1], (long long)want->dim[0], source);
    assert_int_equal(out.tokens, out.rows / (p.scale * p.scale));
    float *frames = frames_of(&out, p.patch);
    assert_true(golden_within(g, tensor, frames, out.rows * out.cols, 1e-6, 1, source));
    free(frames);
    picture_free(&out);
    image_free(&rgb);
}

static void test_pictures(void **state)
{
    (void)state;
    Golden g;
    golden_open(&g, "family/smolvlm/pictures");
    const json_t *cases = json_object_get(g.notes.root, "cases");
    assert_true(json_array_size(cases) > 10);
    for (size_t i = 0; i < json_array_size(cases); i++)
        check_picture(&g, settings(&g), json_array_get(cases, i));
    golden_close(&g);
}

/* [height, width, longest edge, tile, height and width after the first step, after the second,
 * rows and columns of tiles] */
static void test_sizes(void **state)
{
    (void)state;
    Json j = golden_rows("family/smolvlm/sizes", 150);
    int wrong = 0;
    int whole = 0;
    for (size_t i = 0; i < json_array_size(j.root); i++) {
        const json_t *row = json_array_get(j.root, i);
        int64_t h = row_at(row, 0);
        int64_t w = row_at(row, 1);
        int64_t tile = row_at(row, 3);
        smolvlm_first_size(&h, &w, row_at(row, 2));
        int64_t h1 = h;
        int64_t w1 = w;
        smolvlm_tiled_size(&h, &w, tile);
        int64_t rows = h > tile || w > tile ? h / tile : 0;
        int64_t cols = rows ? w / tile : 0;
        whole += !row_at(row, 8);
        if (h1 == row_at(row, 4) && w1 == row_at(row, 5) && h == row_at(row, 6) && w == row_at(row, 7) &&
            rows == row_at(row, 8) && cols == row_at(row, 9))
            continue;
        print_error("row %zu: %lld x %lld to edge %lld, tile %lld: %lld x %lld, then %lld x %lld; wanted "
                    "%lld x %lld, then %lld x %lld\n",
                    i, (long long)row_at(row, 0), (long long)row_at(row, 1), (long long)row_at(row, 2),
                    (long long)tile, (long long)h1, (long long)w1, (long long)h, (long long)w,
                    (long long)row_at(row, 4), (long long)row_at(row, 5), (long long)row_at(row, 6),
                    (long long)row_at(row, 7));
        wrong++;
    }
    assert_true(whole > 0);
    json_close(&j);
    if (wrong)
        fail_msg("%d sizes are off; read %s", wrong, source);
}

/* [patches, patches of the table, [the table's rows or columns]]; in some a fraction meets a
 * boundary and its rounding decides. */
static void test_buckets(void **state)
{
    (void)state;
    enum { MAX_PATCHES = 128 };
    Json j = golden_rows("family/smolvlm/buckets", 300);
    int wrong = 0;
    int rounded = 0;
    for (size_t i = 0; i < json_array_size(j.root); i++) {
        const json_t *row = json_array_get(j.root, i);
        const json_t *want = json_array_get(row, 2);
        int32_t bucket[MAX_PATCHES];
        int64_t count = row_at(row, 0);
        int64_t side = row_at(row, 1);
        int64_t bad = 0;
        bool off_exact = false;
        assert_true(count <= MAX_PATCHES && json_array_size(want) == (size_t)count);
        siglip_buckets(bucket, count, side);
        for (int64_t k = 0; k < count; k++) {
            bad += bucket[k] != row_at(want, (size_t)k);
            off_exact |= row_at(want, (size_t)k) != k * side / count;
        }
        rounded += off_exact;
        if (bad)
            print_error("%lld patches in a table of %lld: %lld have another position\n", (long long)count,
                        (long long)side, (long long)bad);
        wrong += bad > 0;
    }
    json_close(&j);
    assert_true(rounded > 50);
    if (wrong)
        fail_msg("%d pairs are off; read siglip_buckets in src/model/block/siglip.c", wrong);
}

/* A side never becomes 0, and a picture that would take all memory is refused before it does. */
static void test_extremes(void **state)
{
    (void)state;
    static unsigned char data[3 * 2048];
    int64_t height = 1;
    int64_t width = 10000;
    Error e = {0};
    Picture out;
    const SmolVLMPictures p = {.longest_edge = 4096,
                               .tile = 8192,
                               .split = true,
                               .normalise = {.rescale = 1.0 / 255, .std = {1, 1, 1}},
                               .patch = 8192,
                               .scale = 1};
    smolvlm_first_size(&height, &width, 50);
    assert_true(height == 1 && width == 50);
    assert_int_equal(smolvlm_picture(&p, &out, &(Image){2048, 1, data}, &e), BAD_INPUT);
    assert_non_null(strstr(e.text, "8192 x 8192"));
    assert_null(out.pixels);
}

/* A tile is whole patches, whose number scale_factor divides; pixels beyond the last patch are left out
 * (SmolVLM-Instruct: 384 pixels, patches of 14, 27 of them, 3 x 3 for a token). */
static void test_tile_of_patches(void **state)
{
    (void)state;
    static const struct {
        int64_t tile, patch, scale;
        bool good;
    } cases[] = {{384, 14, 3, true},  {378, 14, 3, true}, {364, 14, 3, false}, {384, 16, 3, true},
                 {384, 14, 2, false}, {13, 14, 1, false}, {512, 16, 4, true}};
    Scratch s;
    scratch_make(&s);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[100];
        Error e = {0};
        SmolVLMPictures p = {.patch = cases[i].patch, .scale = cases[i].scale};
        const int n =
            snprintf(text, sizeof text, "{\"max_image_size\": {\"longest_edge\": %d}}", (int)cases[i].tile);
        scratch_write(&s, "preprocessor_config.json", text, (size_t)n);
        assert_int_equal(smolvlm_pictures_load(&p, s.folder, &e), cases[i].good ? OK : BAD_INPUT);
        assert_true(cases[i].good || strstr(e.text, "whole patches"));
        Image rgb = {0};
        Picture out = {0};
        image_new(&rgb, 30, 20, &e);
        if (cases[i].good) {
            memset(rgb.data, 7, 30 * 20 * 3);
            assert_int_equal(smolvlm_picture(&p, &out, &rgb, &e), OK);
            assert_int_equal(out.grid[1], cases[i].tile / cases[i].patch);
            assert_int_equal(out.tokens * cases[i].scale * cases[i].scale, out.rows);
        }
        picture_free(&out);
        image_free(&rgb);
    }
    scratch_remove(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_extremes), cmocka_unit_test(test_sizes),
                                       cmocka_unit_test(test_buckets), cmocka_unit_test(test_pictures),
                                       cmocka_unit_test(test_tile_of_patches)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
