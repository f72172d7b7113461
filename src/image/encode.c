/* Pictures for pages, by stb_image_write: only this file knows it. */
#include "image/image.h"

#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STBI_WRITE_NO_STDIO

#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#endif
#include <stb/stb_image_write.h>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

/* Where the encoder's bytes go. */
typedef struct {
    Text *out;
    Error *e;
} Sink;

static void take(void *sink, void *bytes, int count)
{
    const Sink *s = sink;
    text_add_bytes(s->out, bytes, (size_t)count, s->e);
}

static Status cannot(const Image *in, const char *form, Error *e)
{
    return error_set(e, FAILED, "a picture of %lld x %lld pixels cannot be encoded as %s",
                     (long long)in->width, (long long)in->height, form);
}

Status image_jpeg(Text *out, const Image *in, int quality, Error *e)
{
    Sink s = {out, e};
    if (e->status != OK)
        return e->status;
    if (!stbi_write_jpg_to_func(take, &s, (int)in->width, (int)in->height, 3, in->data, quality))
        cannot(in, "JPEG", e);
    return e->status;
}

Status image_png(Text *out, const Image *in, Error *e)
{
    Sink s = {out, e};
    if (e->status != OK)
        return e->status;
    if (!stbi_write_png_to_func(take, &s, (int)in->width, (int)in->height, 3, in->data, (int)in->width * 3))
        cannot(in, "PNG", e);
    return e->status;
}
