#include "image/decode.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_SIDE = 16384, MAX_PIXELS = 64000000, MAX_FILE = 256000000 };

uint32_t load_big16(const unsigned char *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}

uint32_t load_big32(const unsigned char *p)
{
    return load_big16(p) << 16 | load_big16(p + 2);
}

Status decode_failed(const Source *s, const char *what, Error *e)
{
    return error_set(e, BAD_INPUT, "%s: %s", s->path, what);
}

Status decode_start(Image *out, const Source *s, uint64_t width, uint64_t height, Error *e)
{
    if (!width || !height)
        return decode_failed(s, "a picture without pixels", e);
    if (width > MAX_SIDE || height > MAX_SIDE || width * height > MAX_PIXELS)
        return error_set(e, BAD_INPUT, "%s: %llu x %llu pixels; a side may have at most %d, a picture %d",
                         s->path, (unsigned long long)width, (unsigned long long)height, MAX_SIDE,
                         MAX_PIXELS);
    *out = (Image){(int64_t)width, (int64_t)height, NULL};
    out->data = memory_grow(NULL, out->width * out->height, 3, e);
    return out->data ? OK : NO_MEMORY;
}

void image_free(Image *image)
{
    free(image->data);
    *image = (Image){0};
}

/* A byte after which a marker segment with a length follows: all but RSTn, SOI, EOI and TEM. */
static bool has_length(int marker)
{
    return marker != 0x01 && !(marker >= 0xD0 && marker <= 0xD9);
}

static bool is_frame(int marker)
{
    return marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
}

/* Walks the markers from `at` to the next one: *at is behind it. 0 at the end of the file. */
static int next_marker(const Source *s, size_t *at)
{
    for (; *at + 1 < s->size; ++*at)
        if (s->data[*at] == 0xFF && s->data[*at + 1] != 0 && s->data[*at + 1] != 0xFF) {
            *at += 2;
            return s->data[*at - 1];
        }
    return 0;
}

/* A segment of Huffman tables: a class, 16 counts and as many values as they add up to, at most
 * 256. stb_image would write more past its arrays. */
static bool tables_are_valid(const unsigned char *p, size_t length)
{
    while (length) {
        size_t count = 0;
        for (size_t i = 1; i < 17 && length >= 17; i++)
            count += p[i];
        if (length < 17 || count > 256 || length < 17 + count)
            return false;
        p += 17 + count;
        length -= 17 + count;
    }
    return true;
}

/* The size and kind of the picture, before anything is decoded, and whether the file goes on to
 * its end marker: decoders fill up what is cut off with grey. */
static Status read_jpeg(Image *out, const Source *s, Error *e)
{
    JpegFrame frame = {0};
    uint64_t width = 0, height = 0;
    for (size_t at = 2;;) {
        int marker = next_marker(s, &at);
        if (!marker)
            return decode_failed(s, "the JPEG data are cut off", e);
        if (marker == 0xD9)
            break;
        if (!has_length(marker))
            continue;
        size_t rest = s->size - at, length = rest >= 2 ? load_big16(s->data + at) : 0;
        if (length < 2 || length > rest)
            return decode_failed(s, "the JPEG data are cut off or broken", e);
        if (marker == 0xEE && length >= 14 && !memcmp(s->data + at + 2, "Adobe", 5))
            frame.adobe = true;
        if (marker == 0xC4 && !tables_are_valid(s->data + at + 2, length - 2))
            return decode_failed(s, "a JPEG Huffman table is broken", e);
        if (is_frame(marker)) {
            if (length < 8 || frame.components)
                return decode_failed(s, "a JPEG frame header is broken", e);
            if (s->data[at + 2] != 8)
                return decode_failed(s, "a JPEG picture with other than 8 bits per sample", e);
            height = load_big16(s->data + at + 3);
            width = load_big16(s->data + at + 5);
            frame.components = s->data[at + 7];
        }
        at += length;
    }
    if (!frame.components)
        return decode_failed(s, "a JPEG file without a picture", e);
    Status status = decode_start(out, s, width, height, e);
    return status == OK ? jpeg_decode(out, s, &frame, e) : status;
}

/* The name of a format that is not read, by its first bytes. */
static const char *foreign_format(const Source *s)
{
    static const struct {
        size_t at;
        const char *bytes, *what;
    } known[] = {
        {0, "GIF8", "a GIF picture"},
        {8, "WEBP", "a WebP picture"},
        {0, "BM", "a BMP picture"},
        {0, "II*", "a TIFF picture"},
        {0, "MM", "a TIFF picture"},
        {4, "ftypavif", "an AVIF picture"},
        {4, "ftyphei", "a HEIC picture"},
        {4, "ftypmif1", "a HEIC picture"},
        {0, "<svg", "an SVG picture"},
        {0, "%PDF", "a PDF file"},
        {0, "<", "a web page or XML file"},
        {0, "version https://git-lfs", "a git-lfs pointer (fetch the picture with `git lfs pull`)"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        size_t n = strlen(known[i].bytes);
        if (s->size >= known[i].at + n && !memcmp(s->data + known[i].at, known[i].bytes, n))
            return known[i].what;
    }
    return "a file of an unknown kind";
}

static Status read_any(Image *out, const Source *s, Error *e)
{
    if (s->size > MAX_FILE)
        return error_set(e, BAD_INPUT, "%s: %zu bytes; a picture file may have at most %d", s->path, s->size,
                         MAX_FILE);
    if (!s->size)
        return decode_failed(s, "is empty", e);
    if (s->size >= 8 && !memcmp(s->data, "\x89PNG\r\n\x1a\n", 8))
        return png_decode(out, s, e);
    if (s->size >= 3 && !memcmp(s->data, "\xFF\xD8\xFF", 3))
        return read_jpeg(out, s, e);
    return error_set(e, BAD_INPUT, "%s: is %s; PNG and JPEG pictures are read, convert it to one of them",
                     s->path, foreign_format(s));
}

Status image_read(Image *out, const char *path, Error *e)
{
    FileMap map;
    *out = (Image){0};
    Status status = file_map(&map, path, e);
    if (status != OK)
        return status;
    status = read_any(out, &(Source){path, map.data, map.size}, e);
    file_unmap(&map);
    if (status != OK)
        image_free(out);
    return status;
}
