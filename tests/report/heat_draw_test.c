/* How a heat map lies over its picture: which part of it has which colour. */
#include "fixture/must.h"

#include "report/heat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { SIDE = 8 };

/* A white picture with the map over it. */
static void draw(Image *out, const char *map)
{
    Error e = {0};
    json_error_t why;
    json_t *o = json_loads(map, 0, &why);
    assert_non_null(o);
    image_new(out, SIDE, SIDE, &e);
    must(&e);
    memset(out->data, 255, SIDE * SIDE * 3);
    heat_draw(out, o, &e);
    must(&e);
    json_decref(o);
}

/* Red minus blue of a point: above 0 where it is orange, below where it is blue. */
static int warmth(const Image *im, int x, int y)
{
    const unsigned char *pixel = im->data + (y * SIDE + x) * 3;
    return pixel[0] - pixel[2];
}

static void each_patch_has_its_place(void **state)
{
    (void)state;
    Image im;
    draw(&im, "{\"frames\": [{\"at\": [0, 0, 1, 1], \"down\": 2, \"across\": 2, \"heat\": [-2, 1, 0, -1]}]}");
    const int most = warmth(&im, 0, 0);
    assert_true(most > 150);
    assert_int_equal(warmth(&im, 3, 3), most);
    assert_true(warmth(&im, 4, 0) < -50); /* raises the loss, half as much */
    assert_int_equal(warmth(&im, 7, 3), warmth(&im, 4, 0));
    assert_int_equal(warmth(&im, 0, 7), 0);
    assert_in_range(warmth(&im, 7, 7), most / 2 - 2, most / 2 + 2);
    image_free(&im);
}

/* Per area: a tile's patch of a quarter of the area counts four times as much as the whole picture's. */
static void frames_add_up(void **state)
{
    (void)state;
    Image im;
    draw(&im, "{\"frames\": [{\"at\": [0, 0, 1, 1], \"down\": 1, \"across\": 1, \"heat\": [-4]},"
              "{\"at\": [0.5, 0, 1, 0.5], \"down\": 1, \"across\": 1, \"heat\": [1]},"
              "{\"at\": [0, 0.5, 0.5, 1], \"down\": 1, \"across\": 1, \"heat\": [-1]}]}");
    const int most = warmth(&im, 0, 7);
    assert_true(most > 150);
    assert_int_equal(warmth(&im, 7, 0), 0);
    assert_in_range(warmth(&im, 0, 0), most / 2 - 2, most / 2 + 2);
    image_free(&im);
}

/* What lies beyond the picture is its padding; a map of zeros leaves it without colour. */
static void beyond_the_picture(void **state)
{
    (void)state;
    Image im;
    draw(&im,
         "{\"frames\": [{\"at\": [0, -0.5, 1, 1.5], \"down\": 4, \"across\": 1, \"heat\": [9, -1, 0, 9]}]}");
    assert_true(warmth(&im, 0, 0) > 150);
    assert_int_equal(warmth(&im, 0, 7), 0);
    image_free(&im);
    draw(&im, "{\"frames\": [{\"at\": [0, 0, 1, 1], \"down\": 1, \"across\": 1, \"heat\": [0]}]}");
    assert_int_equal(warmth(&im, 0, 0), 0);
    image_free(&im);
}

/* Lines that were changed by hand: such frames are left out. */
static void broken_maps(void **state)
{
    static const char *const maps[] = {
        "{}",
        "{\"frames\": 3}",
        "{\"frames\": [{\"at\": [0, 0, 1, 1], \"down\": 0, \"across\": 0, \"heat\": []}]}",
        "{\"frames\": [{\"at\": [0, 0, 1, 1], \"down\": 1, \"across\": 2, \"heat\": [-1]}]}",
        "{\"frames\": [{\"at\": [0, 0, 0, 1], \"down\": 1, \"across\": 1, \"heat\": [-1]}]}",
        "{\"frames\": [{\"at\": [0, 0, 1e300, 1], \"down\": 1, \"across\": 1, \"heat\": [-1]}]}",
        "{\"frames\": [{\"at\": [0, 0, 1, 1], \"down\": 1, \"across\": 1, \"heat\": [-1e308]}]}",
        "{\"frames\": [{\"at\": \"here\", \"down\": -1, \"across\": -1, \"heat\": [1]}]}"};
    (void)state;
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) {
        Image im;
        draw(&im, maps[i]);
        for (int k = 0; k < SIDE * SIDE; k++)
            assert_int_equal(warmth(&im, k % SIDE, k / SIDE), 0);
        image_free(&im);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_patch_has_its_place),
                                       cmocka_unit_test(frames_add_up), cmocka_unit_test(beyond_the_picture),
                                       cmocka_unit_test(broken_maps)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
