/* Headers and orientation against Pillow's ImageOps.exif_transpose (ref/golden_image.py): every
 * orientation, both orders of bytes, before and behind the data. src/image/exif.c. */
#include "fixture/hex.h"
#include "fixture/scratch.h"

#include "base/json.h"
#include "base/memory.h"
#include "image/image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void add_field(Text *out, const json_t *row, const char *field)
{
    hex_add(out, json_string_value(json_object_get(row, field)));
}

/* Whether the picture, turned as its header says, is Pillow's. */
static bool is_upright(const json_t *row, const char *path)
{
    const int64_t width = json_integer_value(json_object_get(row, "width"));
    const int64_t height = json_integer_value(json_object_get(row, "height"));
    ImageHeader header;
    Image im;
    Error e = {0};
    image_header(&header, path, &e);
    image_read(&im, path, &e);
    bool same = e.status == OK && header.width == im.width && header.height == im.height;
    image_turn(&im, header.orientation, &e);
    same = same && e.status == OK && im.width == width && im.height == height;
    if (same && json_object_get(row, "rgb")) {
        Text rgb = {0};
        add_field(&rgb, row, "rgb");
        same = rgb.count == (size_t)(width * height) * 3 && !memcmp(rgb.data, im.data, rgb.count);
        text_free(&rgb);
    }
    image_free(&im);
    return same;
}

static void test_upright(void **state)
{
    (void)state;
    Scratch s;
    Json list;
    Error e = {0};
    size_t i;
    json_t *row;
    int failed = 0;
    scratch_make(&s);
    if (json_open(&list, "golden/image/exif.json", 1 << 20, &e) != OK)
        fail_msg("%s", e.text);
    json_array_foreach(list.root, i, row)
    {
        Text file = {0};
        add_field(&file, row, "file");
        if (!is_upright(row, scratch_write(&s, "picture", file.data, file.count))) {
            print_error("golden/image/exif: %s: is not as Pillow turns it; read src/image/exif.c\n",
                        json_string_value(json_object_get(row, "name")));
            failed++;
        }
        text_free(&file);
    }
    assert_int_equal(json_array_size(list.root), 19);
    assert_int_equal(failed, 0);
    json_close(&list);
    scratch_remove(&s);
}

/* EXIF data cut anywhere, or with any byte changed, give an orientation (the sanitizers look on). */
static void test_broken(void **state)
{
    (void)state;
    Scratch s;
    Json list;
    Error e = {0};
    scratch_make(&s);
    assert_int_equal(json_open(&list, "golden/image/exif.json", 1 << 20, &e), OK);
    Text file = {0};
    add_field(&file, json_array_get(list.root, 11), "file"); /* jpeg-1 */
    char *bytes = memory_copy_bytes(file.data, file.count, &e);
    int read = 0;
    for (size_t i = 0; i < file.count; i++) {
        ImageHeader header;
        Error cut = {0};
        Error changed = {0};
        image_header(&header, scratch_write(&s, "cut", bytes, i), &cut);
        assert_true(cut.status == BAD_INPUT || (header.width == 16 && header.orientation == 1));
        bytes[i] = (char)(bytes[i] ^ 0x15);
        if (image_header(&header, scratch_write(&s, "changed", bytes, file.count), &changed) == OK) {
            assert_in_range(header.orientation, 1, 8);
            read++;
        }
        bytes[i] = file.data[i];
    }
    assert_true(read > 100);
    free(bytes);
    text_free(&file);
    json_close(&list);
    scratch_remove(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_upright), cmocka_unit_test(test_broken)};
    return cmocka_run_group_tests_name("image/exif", tests, NULL, NULL);
}
