/* image_read against Pillow (ref/golden_image.py): PNG bit for bit, JPEG bit for bit with
 * libjpeg-turbo and within a bound with stb_image. */
#include "fixture/golden.h"
#include "fixture/scratch.h"

#include "image/image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What stb_image's JPEG may differ by from libjpeg's: its own inverse transform and colour
 * upsampling (worst measured: 7 levels). */
enum { STB_JPEG_LEVELS = 7 };

/* The largest difference of a sample; 256: another size or refused. */
static int worst_difference(const Golden *g, Scratch *s, const char *name)
{
    char tensor[100];
    snprintf(tensor, sizeof tensor, "%s/file", name);
    const Tensor *file = golden_tensor(g, tensor);
    snprintf(tensor, sizeof tensor, "%s/rgb", name);
    const Tensor *want = golden_tensor(g, tensor);
    Image im;
    Error e = {0};
    int worst = 0;
    if (image_read(&im, scratch_write(s, "picture", file->data, file->bytes), &e) != OK) {
        print_error("%s: %s\n", name, e.text);
        return 256;
    }
    if (want->ndim != 3 || im.height != want->dim[0] || im.width != want->dim[1])
        worst = 256;
    for (size_t i = 0; i < want->bytes && worst < 256; i++)
        if (abs(im.data[i] - want->data[i]) > worst)
            worst = abs(im.data[i] - want->data[i]);
    image_free(&im);
    return worst;
}

static void test_pictures(void **state)
{
    (void)state;
    Golden g;
    Scratch s;
    scratch_make(&s);
    golden_open(&g, "image/decode");
    json_t *cases = json_object_get(g.notes.root, "cases"), *c;
    size_t i;
    int failed = 0, worst_jpeg = 0, jpeg = 0,
        limit = strcmp(image_jpeg_decoder(), "stb_image") ? 0 : STB_JPEG_LEVELS;
    json_array_foreach(cases, i, c)
    {
        const char *name = json_string_value(c);
        bool is_jpeg = !strncmp(name, "jpeg/", 5);
        int worst = worst_difference(&g, &s, name);
        if (!(worst <= (is_jpeg ? limit : 0))) {
            print_error("golden/image/decode: %s: differs by %d from Pillow; read src/image/decode_%s\n",
                        name, worst, is_jpeg ? "jpeg_*.c" : "png.c");
            failed++;
        }
        jpeg += is_jpeg;
        worst_jpeg = is_jpeg && worst > worst_jpeg ? worst : worst_jpeg;
    }
    print_message("  %zu pictures; JPEG by %s: worst difference %d\n", json_array_size(cases),
                  image_jpeg_decoder(), worst_jpeg);
    assert_true(jpeg >= 12 && json_array_size(cases) >= 50);
    assert_int_equal(failed, 0);
    golden_drop(&g);
    scratch_remove(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pictures)};
    return cmocka_run_group_tests_name("image/decode", tests, NULL, NULL);
}
