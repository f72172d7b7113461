/* Reading a picture file: its first bytes, not its name, say which decoder takes it. */
#include "image/decode.h"

#include "base/file.h"

#include <string.h>

enum { MAX_FILE = 256000000 };

static bool has_at(const Source *s, size_t at, const char *bytes, size_t count)
{
    return s->size >= at + count && !memcmp(s->data + at, bytes, count);
}

/* What a file that is neither PNG nor JPEG seems to be, by its first bytes. */
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
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (has_at(s, known[i].at, known[i].bytes, strlen(known[i].bytes)))
            return known[i].what;
    return "a file of an unknown kind";
}

/* A format that is read. */
typedef struct {
    const char *start; /* of every such file */
    size_t length;     /* of `start` */
    Status (*decode)(Image *out, const Source *s, Error *e);
    Status (*header)(ImageHeader *out, const Source *s, Error *e);
} Format;

/* NULL with e set: it is none that is read. */
static const Format *format_of(const Source *s, Error *e)
{
    static const Format formats[] = {{"\x89PNG\r\n\x1a\n", 8, png_decode, png_header},
                                     {"\xFF\xD8\xFF", 3, jpeg_decode, jpeg_header}};
    if (s->size > MAX_FILE)
        error_set(e, BAD_INPUT, "%s: %zu bytes; a picture file may have at most %d", s->path, s->size,
                  MAX_FILE);
    if (!s->size)
        source_failed(s, "is empty", e);
    if (e->status != OK)
        return NULL;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (has_at(s, 0, formats[i].start, formats[i].length))
            return formats + i;
    error_set(e, BAD_INPUT, "%s: is %s; PNG and JPEG pictures are read, convert it to one of them", s->path,
              foreign_format(s));
    return NULL;
}

Status image_read(Image *out, const char *path, Error *e)
{
    FileMap map;
    *out = (Image){0};
    file_map(&map, path, e);
    const Source s = {path, map.data, map.size};
    const Format *format = format_of(&s, e);
    if (format && format->decode(out, &s, e) != OK)
        image_free(out);
    file_unmap(&map);
    return e->status;
}

Status image_header(ImageHeader *out, const char *path, Error *e)
{
    FileMap map;
    *out = (ImageHeader){0};
    file_map(&map, path, e);
    const Source s = {path, map.data, map.size};
    const Format *format = format_of(&s, e);
    if (format)
        format->header(out, &s, e);
    file_unmap(&map);
    return e->status;
}
