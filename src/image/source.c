/* What every decoder works on, and the limits on a picture's size. */
#include "image/source.h"

enum { MAX_SIDE = 16384, MAX_PIXELS = 64000000 };

Status source_check_size(const Source *s, uint64_t width, uint64_t height, Error *e)
{
    if (e->status != OK)
        return e->status;
    if (!width || !height)
        return source_failed(s, "a picture without pixels", e);
    if (width > MAX_SIDE || height > MAX_SIDE || width * height > MAX_PIXELS)
        return error_set(e, BAD_INPUT, "%s: %llu x %llu pixels; a side may have at most %d, a picture %d",
                         s->path, (unsigned long long)width, (unsigned long long)height, MAX_SIDE,
                         MAX_PIXELS);
    return OK;
}

Status source_image(Image *out, const Source *s, uint64_t width, uint64_t height, Error *e)
{
    if (source_check_size(s, width, height, e) != OK)
        return e->status;
    return image_new(out, (int64_t)width, (int64_t)height, e);
}

Status source_failed(const Source *s, const char *what, Error *e)
{
    return error_set(e, BAD_INPUT, "%s: %s", s->path, what);
}
