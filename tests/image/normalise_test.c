/* normalise against the pixel values of transformers' slow processor (ref/family_qwen2vl.py), bit
 * for bit. */
#include "fixture/golden.h"

#include "image/image.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Picture 4 goes through the processor without a change of size: pixel (y, x) of patch row
 * (channel, y, x). */
static void test_values(void **state)
{
    (void)state;
    Golden g;
    golden_open(&g, "family/qwen2vl/pictures");
    const Normalise n = golden_normalise(&g);
    const Tensor *rgb = golden_tensor(&g, "4/rgb"), *values = golden_tensor(&g, "4/pixel_values");
    const int64_t patch = golden_integer(&g, "patch_size");
    assert_int_equal(values->dim[0] * patch * patch, rgb->dim[0] * rgb->dim[1]);
    int64_t compared = 0;
    for (int64_t y = 0; y < patch; y++)
        for (int64_t x = 0; x < patch; x++)
            for (int c = 0; c < 3; c++, compared++) {
                unsigned char v = rgb->data[(y * rgb->dim[1] + x) * 3 + c];
                double want = tensor_value(values, (c * patch + y) * patch + x),
                       got = (double)normalise(&n, v, c);
                if (!(got >= want && got <= want))
                    fail_msg(
                        "pixel (%d, %d) channel %d, value %d: %.9g, wanted %.9g; read src/image/normalise.c",
                        (int)y, (int)x, c, v, got, want);
            }
    assert_true(compared > 500);
    golden_drop(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_values)};
    return cmocka_run_group_tests_name("image/normalise", tests, NULL, NULL);
}
