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

static Status read_any(Image *out, const Source *s, Error *e)
{
    if (s->size > MAX_FILE)
        return error_set(e, BAD_INPUT, "%s: %zu bytes; a picture file may have at most %d", s->path, s->size,
                         MAX_FILE);
    if (!s->size)
        return source_failed(s, "is empty", e);
    if (has_at(s, 0, "\x89PNG\r\n\x1a\n", 8))
        return png_decode(out, s, e);
    if (has_at(s, 0, "\xFF\xD8\xFF", 3))
        return jpeg_decode(out, s, e);
    return error_set(e, BAD_INPUT, "%s: is %s; PNG and JPEG pictures are read, convert it to one of them",
                     s->path, foreign_format(s));
}

Status image_read(Image *out, const char *path, Error *e)
{
    FileMap map;
    *out = (Image){0};
    if (file_map(&map, path, e) == OK)
        read_any(out, &(Source){path, map.data, map.size}, e);
    file_unmap(&map);
    if (e->status != OK)
        image_free(out);
    return e->status;
}
