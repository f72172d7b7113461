/* A picture that is encoded can be read again, and is nearly the same. Where a case fails, read
 * src/image/encode.c. */
#include "image/image.h"

#include "fixture/must.h"
#include "fixture/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { WIDTH = 61, HEIGHT = 37, QUALITY = 90 };

/* Colours that change slowly, so that little is lost. */
static void paint(Image *image)
{
    for (int64_t y = 0; y < HEIGHT; y++)
        for (int64_t x = 0; x < WIDTH; x++) {
            unsigned char *p = image->data + (y * WIDTH + x) * 3;
            p[0] = (unsigned char)(4 * x);
            p[1] = (unsigned char)(6 * y);
            p[2] = (unsigned char)(200 - 2 * x - y);
        }
}

static void test_round_trip(void **state)
{
    (void)state;
    Error e = {0};
    Scratch s;
    Image in = {0};
    Image out = {0};
    Text jpeg = {0};
    int worst = 0;
    scratch_make(&s);
    image_new(&in, WIDTH, HEIGHT, &e);
    paint(&in);
    image_jpeg(&jpeg, &in, QUALITY, &e);
    image_read(&out, scratch_write(&s, "picture.jpg", jpeg.data, jpeg.count), &e);
    must(&e);
    assert_int_equal(out.width, WIDTH);
    assert_int_equal(out.height, HEIGHT);
    for (int i = 0; i < WIDTH * HEIGHT * 3; i++)
        worst = abs(in.data[i] - out.data[i]) > worst ? abs(in.data[i] - out.data[i]) : worst;
    if (worst > 12)
        fail_msg("a value is %d away; read src/image/encode.c", worst);
    image_free(&in);
    image_free(&out);
    text_free(&jpeg);
    scratch_remove(&s);
}

static void test_png_is_the_same(void **state)
{
    (void)state;
    Error e = {0};
    Scratch s;
    Image in = {0};
    Image out = {0};
    Text png = {0};
    scratch_make(&s);
    image_new(&in, WIDTH, HEIGHT, &e);
    paint(&in);
    image_png(&png, &in, &e);
    image_read(&out, scratch_write(&s, "picture.png", png.data, png.count), &e);
    must(&e);
    assert_int_equal(out.width, WIDTH);
    assert_memory_equal(in.data, out.data, WIDTH * HEIGHT * 3);
    image_free(&in);
    image_free(&out);
    text_free(&png);
    scratch_remove(&s);
}

static void test_failed_error(void **state)
{
    (void)state;
    Error e = {.status = FAILED, .text = "before"};
    Text jpeg = {0};
    const Image none = {0};
    assert_int_equal(image_jpeg(&jpeg, &none, QUALITY, &e), FAILED);
    assert_null(jpeg.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trip),
                                       cmocka_unit_test(test_png_is_the_same),
                                       cmocka_unit_test(test_failed_error)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
