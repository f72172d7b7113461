/* JPEG, up to the pixels. The markers are walked before anything is decoded, for the size and kind of
 * the picture, and because decoders are lenient: what is cut off they fill up with grey. */
#include "image/decode.h"

#include "base/bytes.h"

#include <string.h>

/* Whether a segment that starts with its length follows the marker: all but RSTn, SOI, EOI and TEM. */
static bool has_length(int marker)
{
    return marker != 0x01 && !(marker >= 0xD0 && marker <= 0xD9);
}

/* SOFn: a frame header. C4, C8 and CC are other segments. */
static bool is_frame(int marker)
{
    return marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
}

/* Looks for the next marker from *at on and moves *at behind it. 0 at the end of the file. */
static int next_marker(const Source *s, size_t *at)
{
    while (*at + 1 < s->size) {
        int mark = s->data[*at];
        int marker = s->data[*at + 1];
        if (mark == 0xFF && marker != 0 && marker != 0xFF) {
            *at += 2;
            return marker;
        }
        ++*at;
    }
    return 0;
}

/* Huffman tables: each is a class, 16 counts and as many values as the counts add up to, at most
 * 256. stb_image would write more of them past the end of its arrays. */
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

static Status read_frame(JpegFrame *frame, const Source *s, const unsigned char *segment, size_t length,
                         Error *e)
{
    if (length < 8 || frame->components)
        return source_failed(s, "a JPEG frame header is broken", e);
    if (segment[2] != 8)
        return source_failed(s, "a JPEG picture with other than 8 bits per sample", e);
    frame->height = load_big16(segment + 3);
    frame->width = load_big16(segment + 5);
    frame->components = segment[7];
    return OK;
}

/* Walks all markers up to the one that ends the picture. */
static Status read_markers(JpegFrame *frame, const Source *s, Error *e)
{
    size_t at = 2;
    for (int marker = next_marker(s, &at); marker != 0xD9; marker = next_marker(s, &at)) {
        if (!marker)
            return source_failed(s, "the JPEG data are cut off", e);
        if (!has_length(marker))
            continue;
        const unsigned char *segment = s->data + at;
        size_t rest = s->size - at;
        size_t length = rest >= 2 ? load_big16(segment) : 0; /* its own two bytes included */
        if (length < 2 || length > rest)
            return source_failed(s, "the JPEG data are cut off or broken", e);
        if (marker == 0xEE && length >= 14 && !memcmp(segment + 2, "Adobe", 5))
            frame->adobe = true;
        if (marker == 0xC4 && !tables_are_valid(segment + 2, length - 2))
            return source_failed(s, "a JPEG Huffman table is broken", e);
        if (is_frame(marker) && read_frame(frame, s, segment, length, e) != OK)
            return e->status;
        at += length;
    }
    return OK;
}

Status jpeg_decode(Image *out, const Source *s, Error *e)
{
    JpegFrame frame = {0};
    if (read_markers(&frame, s, e) != OK)
        return e->status;
    if (!frame.components)
        return source_failed(s, "a JPEG file without a picture", e);
    if (source_image(out, s, frame.width, frame.height, e) != OK)
        return e->status;
    return jpeg_pixels(out, s, &frame, e);
}
