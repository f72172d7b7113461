/* JPEG by stb_image (JPEG=stb): nothing to install. Its inverse transform and its upsampling of
 * colour differ from libjpeg's by a few levels, at 4:2:2 by up to 46 in a column. */
#include "image/decode.h"
#include "image/stb.h"

#include <string.h>

#define STBI_NO_STDIO
#include <stb/stb_image.h>

Status jpeg_pixels(Image *out, const Source *s, const JpegFrame *frame, Error *e)
{
    if (frame->components == 4 && !frame->adobe)
        return source_failed(
            s, "a CMYK picture without Adobe's marker; convert it to RGB, or build with JPEG=turbo", e);
    if (frame->lacks)
        return error_set(e, BAD_INPUT, "%s: the JPEG data lack %s (JPEG=turbo may read them)", s->path,
                         frame->lacks);
    int width = 0;
    int height = 0;
    int components = 0;
    stb_forget_failure();
    unsigned char *rgb = stbi_load_from_memory(s->data, (int)s->size, &width, &height, &components, 3);
    const char *why = rgb ? NULL : stbi_failure_reason(); /* NULL also where it fails without a reason */
    if (!rgb && why && !strcmp(why, "outofmem"))
        return error_set(e, NO_MEMORY, "%s: out of memory while decoding", s->path);
    if (!rgb)
        return error_set(e, BAD_INPUT, "%s: the JPEG data are broken or of a kind that is not read%s%s%s",
                         s->path, why ? " (" : "", why ? why : "", why ? ")" : "");
    if (width == out->width && height == out->height)
        memcpy(out->data, rgb, (size_t)(out->width * out->height) * 3);
    else
        source_failed(s, "the JPEG file holds pictures of different sizes", e);
    stbi_image_free(rgb);
    return e->status;
}

const char *image_jpeg_decoder(void)
{
    return "stb_image";
}
