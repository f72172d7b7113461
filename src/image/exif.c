/* EXIF's orientation: the tag 0x0112 of the first directory of a TIFF file without a picture. A
 * picture of orientation o stands upright after
 *
 *     1 nothing   2 left and right swapped   3 half a turn   4 top and bottom swapped
 *     5 transposed   6 a quarter turn clockwise   7 transposed along the other diagonal
 *     8 a quarter turn counter-clockwise
 *
 * (EXIF 2.3, 4.6.4; Pillow's ImageOps.exif_transpose. Pillow also looks into XMP data; we do not.) */
#include "image/decode.h"

#include <string.h>

/* Numbers of the file, in its own order of bytes. */
typedef struct {
    const unsigned char *data;
    size_t size;
    bool little;
} Tiff;

static bool has(const Tiff *t, size_t at, size_t count)
{
    return at <= t->size && count <= t->size - at;
}

static uint32_t number(const Tiff *t, size_t at, size_t bytes)
{
    uint32_t v = 0;
    for (size_t i = 0; i < bytes; i++)
        v = v << 8 | t->data[at + (t->little ? bytes - 1 - i : i)];
    return v;
}

int exif_orientation(const unsigned char *tiff, size_t size)
{
    enum { ENTRY = 12, ORIENTATION = 0x0112, SHORT = 3, LONG = 4 };
    const Tiff t = {tiff, size, size >= 8 && tiff[0] == 'I'};
    if (size < 8 || (memcmp(tiff, "II*\0", 4) && memcmp(tiff, "MM\0*", 4)))
        return 1;
    const size_t directory = number(&t, 4, 4);
    const size_t count = has(&t, directory, 2) ? number(&t, directory, 2) : 0;
    for (size_t i = 0; i < count; i++) {
        const size_t entry = directory + 2 + i * ENTRY;
        if (!has(&t, entry, ENTRY))
            break;
        const uint32_t type = number(&t, entry + 2, 2);
        if (number(&t, entry, 2) != ORIENTATION || (type != SHORT && type != LONG))
            continue;
        const uint32_t value = number(&t, entry + 8, type == SHORT ? 2 : 4);
        return value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}

Status image_turn(Image *image, int orientation, Error *e)
{
    const bool sideways = orientation >= 5; /* the axes are swapped */
    const bool flip_x = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
    const bool flip_y = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    const int64_t W = image->width;
    const int64_t H = image->height;
    Image out = {0};
    if (e->status != OK || orientation <= 1)
        return e->status;
    if (image_new(&out, sideways ? H : W, sideways ? W : H, e) != OK)
        return e->status;
    for (int64_t y = 0; y < out.height; y++)
        for (int64_t x = 0; x < out.width; x++) {
            const int64_t from_x = sideways ? y : x;
            const int64_t from_y = sideways ? x : y;
            const int64_t at = (flip_y ? H - 1 - from_y : from_y) * W + (flip_x ? W - 1 - from_x : from_x);
            memcpy(out.data + (y * out.width + x) * 3, image->data + at * 3, 3);
        }
    image_free(image);
    *image = out;
    return OK;
}
