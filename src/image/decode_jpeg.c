/* JPEG, up to the pixels: what the markers say decides whether there is anything to decode. */
#include "image/decode.h"

Status jpeg_decode(Image *out, const Source *s, Error *e)
{
    JpegFrame frame = {0};
    if (jpeg_read_markers(&frame, s, e) != OK)
        return e->status;
    if (!frame.components)
        return source_failed(s, "a JPEG file without a picture", e);
    if (source_image(out, s, frame.width, frame.height, e) != OK)
        return e->status;
    return jpeg_pixels(out, s, &frame, e);
}
