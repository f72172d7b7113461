/* InternVL2's tiles against dynamic_preprocess and its transform: golden/family/internvl2 by
 * ref/family_internvl2.py. */
#include "fixture/golden.h"
#include "fixture/must.h"

#include "model/family/internvl2/picture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static const char source[] = "src/model/family/internvl2/picture.c";

/* A patch is a whole tile, so that rows are tiles [3, side, side]. */
static void check_picture(Golden *g, const json_t *o)
{
    const char *tensor = row_string(o, "tensor");
    const Tensor *want = golden_tensor(g, tensor);
    const int64_t side = golden_integer(g, "force_image_size");
    const InternVL2Pictures p = {.tile = side,
                                 .patch = side,
                                 .scale = 1,
                                 .min = 1,
                                 .max = row_integer(o, "max_dynamic_patch"),
                                 .cut = json_is_true(json_object_get(o, "dynamic_image_size")),
                                 .thumbnail = true,
                                 .normalise = golden_normalise(g)};
    Image rgb;
    Picture out;
    Error e = {0};
    image_read(&rgb, row_string(o, "file"), &e);
    must(&e);
    internvl2_picture(&p, &out, &rgb, &e);
    must(&e);
    if (out.grid[0] != want->dim[0] || out.rows != want->dim[0] || out.tokens != out.rows)
        fail_msg("%s: %lld tiles, wanted %lld; read %s", tensor, (long long)out.grid[0],
                 (long long)want->dim[0], source);
    assert_true(golden_within(g, tensor, out.pixels, out.rows * out.cols, 1e-6, 1, source));
    picture_free(&out);
    image_free(&rgb);
}

static void test_pictures(void **state)
{
    (void)state;
    Golden g;
    golden_open(&g, "family/internvl2/pictures");
    const json_t *cases = json_object_get(g.notes.root, "cases");
    assert_true(json_array_size(cases) > 5);
    for (size_t i = 0; i < json_array_size(cases); i++)
        check_picture(&g, json_array_get(cases, i));
    golden_close(&g);
}

/* [width, height, tile, least and greatest number of tiles, columns, rows] */
static void test_grids(void **state)
{
    (void)state;
    Json j = golden_rows("family/internvl2/grids", 120);
    int wrong = 0;
    for (size_t i = 0; i < json_array_size(j.root); i++) {
        const json_t *row = json_array_get(j.root, i);
        const InternVL2Pictures p = {
            .tile = row_at(row, 2), .min = row_at(row, 3), .max = row_at(row, 4), .cut = true};
        int64_t columns;
        int64_t rows;
        internvl2_grid(&p, row_at(row, 0), row_at(row, 1), &columns, &rows);
        if (columns == row_at(row, 5) && rows == row_at(row, 6))
            continue;
        print_error("%lld x %lld pixels: %lld x %lld tiles, wanted %lld x %lld\n", (long long)row_at(row, 0),
                    (long long)row_at(row, 1), (long long)columns, (long long)rows, (long long)row_at(row, 5),
                    (long long)row_at(row, 6));
        wrong++;
    }
    json_close(&j);
    if (wrong)
        fail_msg("%d grids are off; read %s", wrong, source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pictures), cmocka_unit_test(test_grids)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
