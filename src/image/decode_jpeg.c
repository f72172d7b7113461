/* JPEG, up to the pixels: what the markers say decides whether there is anything to decode. */
#include "image/decode.h"

static Status read_frame(JpegFrame *frame, const Source *s, Error *e)
{
    if (jpeg_read_markers(frame, s, e) == OK && !frame->components)
        source_failed(s, "a JPEG file without a picture", e);
    return e->status;
}

Status jpeg_header(ImageHeader *out, const Source *s, Error *e)
{
    JpegFrame frame = {0};
    read_frame(&frame, s, e);
    if (source_check_size(s, frame.width, frame.height, e) == OK)
        *out = (ImageHeader){(int64_t)frame.width, (int64_t)frame.height,
                             frame.orientation ? frame.orientation : 1};
    return e->status;
}

Status jpeg_decode(Image *out, const Source *s, Error *e)
{
    JpegFrame frame = {0};
    if (read_frame(&frame, s, e) != OK)
        return e->status;
    if (source_image(out, s, frame.width, frame.height, e) != OK)
        return e->status;
    return jpeg_pixels(out, s, &frame, e);
}
