#include "image/decode_stb.h"

#include "base/memory.h"
#include "image/decode.h"

#include <stdlib.h>

/* Only what is read is compiled: the GIF, HDR and PSD readers have had security holes. */
#define STB_IMAGE_IMPLEMENTATION
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_NO_STDIO
#define STBI_NO_FAILURE_STRINGS
#define STBI_MAX_DIMENSIONS 16384
#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-but-set-variable"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#endif
#include <stb/stb_image.h>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

/* c over white with opacity a, rounded as Pillow rounds. */
static unsigned char over_white(unsigned c, unsigned a)
{
    unsigned t = c * a + 255 * (255 - a) + 128;
    return (unsigned char)(((t >> 8) + t) >> 8);
}

Status decode_stb(Image *out, const unsigned char *bytes, size_t count, Error *e)
{
    int width, height, channels;
    if (!stbi_info_from_memory(bytes, (int)count, &width, &height, &channels))
        return error_set(e, BAD_INPUT, "the picture's header is damaged, or uses a feature that is not supported");
    if (width < 1 || height < 1 || width > MAX_SIDE || height > MAX_SIDE || (int64_t)width * height > MAX_PIXELS)
        return error_set(e, BAD_INPUT, "a picture of %d x %d pixels; at most %d on a side and %d in all are read", width, height, (int)MAX_SIDE,
                         (int)MAX_PIXELS);
    unsigned char *rgba = stbi_load_from_memory(bytes, (int)count, &width, &height, &channels, 4);
    if (!rgba)
        return error_set(e, BAD_INPUT, "the picture's data are damaged or cut short");
    Image im = {width, height, memory_new((int64_t)width * height, 3, e)};
    for (int64_t i = 0; im.data && i < (int64_t)width * height; i++)
        for (int c = 0; c < 3; c++)
            im.data[3 * i + c] = over_white(rgba[4 * i + c], rgba[4 * i + 3]);
    stbi_image_free(rgba);
    *out = im;
    return im.data ? OK : NO_MEMORY;
}
