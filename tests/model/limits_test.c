/* [image] in every family: pixel limits are kept, or refused with the model's name; and pictures are
 * turned where that is asked for. src/model/picture.c, src/model/family/NAME/picture.c. */
#include "fixture/hex.h"
#include "fixture/must.h"
#include "fixture/scratch.h"

#include "base/json.h"
#include "model/family.h"
#include "model/picture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static Vlm vlm;

static int open_model(void **state)
{
    Error e = {0};
    vlm_open(&vlm, *state, &e);
    must(&e);
    return 0;
}

static int close_model(void **state)
{
    (void)state;
    vlm_close(&vlm);
    return 0;
}

/* A picture of 151 x 40 pixels with these limits: so many tiles in a row, and the whole behind several. */
static void cut(int64_t min, int64_t max, int64_t rows, int64_t columns)
{
    Picture p;
    Error e = {0};
    const PictureOptions o = {.min_pixels = min, .max_pixels = max};
    const int64_t tiles = rows * columns;
    vlm_check_pictures(&vlm, &o, &e);
    vlm_picture(&vlm, &p, "golden/model/wide.png", &o, &e);
    must(&e);
    if (p.grid[0] != tiles + (tiles > 1) || (tiles > 1 && (p.tiles[0] != rows || p.tiles[1] != columns)))
        fail_msg("%lld to %lld pixels: %lld x %lld tiles, %lld frames; wanted %lld x %lld", (long long)min,
                 (long long)max, (long long)p.tiles[0], (long long)p.tiles[1], (long long)p.grid[0],
                 (long long)rows, (long long)columns);
    picture_free(&p);
}

static void refused(int64_t min, int64_t max, const char *wanted)
{
    Error e = {0};
    const PictureOptions o = {.min_pixels = min, .max_pixels = max};
    assert_int_equal(vlm_check_pictures(&vlm, &o, &e), BAD_USAGE);
    if (!strstr(e.text, wanted) || !strstr(e.text, vlm.type->name))
        fail_msg("\"%s\"; wanted \"%s\" and the model's name", e.text, wanted);
}

/* Tiles of 36 x 36 = 1296 pixels; a longest edge of 90 gives three of them. */
static void smolvlm(void **state)
{
    (void)state;
    cut(0, 0, 1, 3);
    cut(0, 3888, 1, 3);
    cut(0, 3887, 1, 2);
    cut(0, 2591, 1, 1);
    cut(3889, 0, 2, 4);
    cut(3889, 10000, 1, 3); /* the maximum goes before the minimum */
    refused(0, 1295, "max_pixels = 1295: its pictures have at least 1296 pixels");
}

/* Tiles of 12 x 12 = 144 pixels; the checkpoint allows 4. */
static void internvl2(void **state)
{
    (void)state;
    cut(0, 0, 1, 4);
    cut(0, 575, 1, 3);
    cut(0, 144, 1, 1);
    cut(721, 0, 1, 6);
    cut(864, 432, 1, 3);
    refused(0, 143, "at least 144 pixels");
}

/* One tile, whatever the picture. */
static void internvl2_whole(void **state)
{
    (void)state;
    cut(144, 144, 1, 1);
    refused(145, 0, "min_pixels = 145: its pictures have exactly 144 pixels");
}

static void tinyllava(void **state)
{
    (void)state;
    cut(225, 225, 1, 1);
    refused(0, 224, "max_pixels = 224: its pictures have exactly 225 pixels");
    refused(226, 0, "min_pixels = 226");
}

/* What its limits do to sizes is in its own test. */
static void qwen2vl(void **state)
{
    (void)state;
    refused(0, 783, "max_pixels = 783: its pictures have at least 784 pixels");
}

/* Of the picture of 16 x 8 pixels that a JPEG file with orientation 6 holds. */
static void exif(void **state)
{
    (void)state;
    Scratch s;
    Json list;
    Text file = {0};
    Error e = {0};
    scratch_make(&s);
    json_open(&list, "golden/image/exif.json", 1 << 20, &e);
    must(&e);
    const json_t *row = json_array_get(list.root, 16);
    assert_string_equal(json_string_value(json_object_get(row, "name")), "jpeg-6");
    hex_add(&file, json_string_value(json_object_get(row, "file")));
    const char *path = scratch_write(&s, "turned.jpg", file.data, file.count);
    for (int turn = 0; turn < 2; turn++) {
        Picture p;
        vlm_picture(&vlm, &p, path, &(PictureOptions){.exif = turn}, &e);
        must(&e);
        assert_int_equal(p.tiles[0], turn ? 3 : 2);
        assert_int_equal(p.tiles[1], turn ? 2 : 3);
        picture_free(&p);
    }
    text_free(&file);
    json_close(&list);
    scratch_remove(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"smolvlm", smolvlm, open_model, close_model, "weights/tiny-smolvlm-a"},
        {"internvl2", internvl2, open_model, close_model, "weights/tiny-internvl2-a"},
        {"internvl2, one tile", internvl2_whole, open_model, close_model, "weights/tiny-internvl2-b"},
        {"tinyllava", tinyllava, open_model, close_model, "weights/tiny-tinyllava-a"},
        {"qwen2vl", qwen2vl, open_model, close_model, "weights/tiny-qwen2vl-a"},
        {"exif", exif, open_model, close_model, "weights/tiny-smolvlm-a"},
    };
    return cmocka_run_group_tests_name("model/limits", tests, NULL, NULL);
}
