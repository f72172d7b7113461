/* The markers of a JPEG file. They are walked before anything is decoded, because decoders are lenient:
 * what is cut off they fill up with grey, and a table that is not there is whatever memory held.
 * Invariant: a scan that was accepted names components of the frame, whose quantisation tables stand
 * before it; whether Huffman tables are missing is noted, since libjpeg has default ones. (ITU T.81,
 * annex B) */
#include "image/decode.h"

#include "base/bytes.h"

#include <string.h>

/* Every scan goes over the whole picture: a file of many of them, each of a few bytes, would be decoded
 * for hours. Encoders write 10 of them for a progressive picture. */
enum { MAX_SCANS = 100, MAX_SCANNED_PIXELS = 1000000000 };

/* What was defined up to here. */
typedef struct {
    JpegFrame *frame;
    bool progressive;
    unsigned char id[4], quantiser[4]; /* of each component */
    bool scanned[4];                   /* each component, by some scan */
    bool has_quantiser[4], has_dc[4], has_ac[4];
    int64_t scans;
} Walk;

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
        const unsigned char *mark = memchr(s->data + *at, 0xFF, s->size - 1 - *at);
        if (!mark)
            break;
        *at = (size_t)(mark - s->data) + 1;
        const int marker = s->data[*at];
        if (marker && marker != 0xFF) {
            ++*at;
            return marker;
        }
    }
    return 0;
}

/* Huffman tables: each is a class and a number, 16 counts and as many values as the counts add up to,
 * at most 256. stb_image would write more of them past the end of its arrays. */
static bool read_huffman(Walk *w, const unsigned char *p, size_t length)
{
    while (length) {
        size_t count = 0;
        for (size_t i = 1; i < 17 && length >= 17; i++)
            count += p[i];
        if (length < 17 || count > 256 || length < 17 + count || p[0] >> 4 > 1 || (p[0] & 15) > 3)
            return false;
        (p[0] >> 4 ? w->has_ac : w->has_dc)[p[0] & 3] = true;
        p += 17 + count;
        length -= 17 + count;
    }
    return true;
}

/* Quantisation tables: each is a width and a number, and 64 values of one or two bytes. */
static bool read_quantisers(Walk *w, const unsigned char *p, size_t length)
{
    while (length) {
        const size_t size = p[0] >> 4 ? 129 : 65;
        if (length < size || p[0] >> 4 > 1 || (p[0] & 15) > 3)
            return false;
        w->has_quantiser[p[0] & 3] = true;
        p += size;
        length -= size;
    }
    return true;
}

static Status read_frame(Walk *w, const Source *s, const unsigned char *segment, size_t length, Error *e)
{
    JpegFrame *frame = w->frame;
    if (length < 8 || frame->components)
        return source_failed(s, "a JPEG frame header is broken", e);
    if (segment[2] != 8)
        return source_failed(s, "a JPEG picture with other than 8 bits per sample", e);
    const int count = segment[7];
    if (count != 1 && count != 3 && count != 4)
        return source_failed(s, "a JPEG picture with other than 1, 3 or 4 components", e);
    if (length != 8 + 3 * (size_t)count)
        return source_failed(s, "a JPEG frame header is broken", e);
    frame->height = load_big16(segment + 3);
    frame->width = load_big16(segment + 5);
    frame->components = count;
    for (int i = 0; i < count; i++) {
        w->id[i] = segment[8 + 3 * i];
        w->quantiser[i] = segment[10 + 3 * i];
        if (w->quantiser[i] > 3)
            return source_failed(s, "a JPEG frame header is broken", e);
        if (memchr(w->id, w->id[i], (size_t)i))
            frame->lacks = "different numbers for its components";
    }
    return OK;
}

/* The component that a scan calls `id`; `taken`: those that the scan has named already. -1: none. */
static int component_of(const Walk *w, int id, const bool taken[4])
{
    for (int i = 0; i < w->frame->components; i++)
        if (w->id[i] == id && !taken[i])
            return i;
    return -1;
}

/* Entropy-coded data follow: with the tables that are there now. */
static Status read_scan(Walk *w, const Source *s, const unsigned char *segment, size_t length, Error *e)
{
    const size_t count = length > 2 ? segment[2] : 0;
    if (count < 1 || count > 4 || length != 6 + 2 * count)
        return source_failed(s, "a JPEG scan header is broken", e);
    const bool first = !segment[3 + 2 * count];
    const bool refines = segment[5 + 2 * count] >> 4;
    bool taken[4] = {false};
    for (size_t k = 0; k < count; k++) {
        const int c = component_of(w, segment[3 + 2 * k], taken);
        const int tables = segment[4 + 2 * k];
        if (c < 0)
            return source_failed(s, "a JPEG scan of a component that its frame lacks", e);
        if (tables >> 4 > 3 || (tables & 15) > 3)
            return source_failed(s, "a JPEG scan header is broken", e);
        if (!w->has_quantiser[w->quantiser[c]])
            return source_failed(s, "the JPEG data lack a quantisation table", e);
        const bool dc = !w->progressive || (first && !refines);
        const bool ac = !w->progressive || !first;
        if ((dc && !w->has_dc[tables >> 4]) || (ac && !w->has_ac[tables & 15]))
            w->frame->lacks = "a Huffman table";
        taken[c] = true;
        w->scanned[c] = true;
    }
    w->scans++;
    const int64_t pixels = (int64_t)(w->frame->width * w->frame->height);
    if (w->scans > MAX_SCANS || w->scans * pixels > MAX_SCANNED_PIXELS)
        return error_set(
            e, BAD_INPUT,
            "%s: a JPEG picture of more than %lld scans; at most %d are read, and %d pixels in all "
            "of them",
            s->path, (long long)w->scans - 1, MAX_SCANS, MAX_SCANNED_PIXELS);
    return OK;
}

static Status read_segment(Walk *w, const Source *s, int marker, const unsigned char *segment, size_t length,
                           Error *e)
{
    static const unsigned char exif[] = "Exif\0"; /* and one more zero */
    if (marker == 0xEE && length >= 14 && !memcmp(segment + 2, "Adobe", 5))
        w->frame->adobe = true;
    else if (marker == 0xE1 && !w->frame->orientation && length >= 8 &&
             !memcmp(segment + 2, exif, sizeof exif))
        w->frame->orientation = exif_orientation(segment + 8, length - 8);
    else if (marker == 0xC4 && !read_huffman(w, segment + 2, length - 2))
        source_failed(s, "a JPEG Huffman table is broken", e);
    else if (marker == 0xDB && !read_quantisers(w, segment + 2, length - 2))
        source_failed(s, "a JPEG quantisation table is broken", e);
    else if (marker == 0xDA)
        read_scan(w, s, segment, length, e);
    else if (is_frame(marker))
        read_frame(w, s, segment, length, e);
    if (marker == 0xC2)
        w->progressive = true;
    return e->status;
}

Status jpeg_read_markers(JpegFrame *frame, const Source *s, Error *e)
{
    Walk w = {.frame = frame};
    size_t at = 2;
    *frame = (JpegFrame){0};
    for (int marker = next_marker(s, &at); marker != 0xD9; marker = next_marker(s, &at)) {
        if (!marker)
            return source_failed(s, "the JPEG data are cut off", e);
        if (!has_length(marker))
            continue;
        const unsigned char *segment = s->data + at;
        const size_t rest = s->size - at;
        const size_t length = rest >= 2 ? load_big16(segment) : 0; /* its own two bytes included */
        if (length < 2 || length > rest)
            return source_failed(s, "the JPEG data are cut off or broken", e);
        if (read_segment(&w, s, marker, segment, length, e) != OK)
            return e->status;
        at += length;
    }
    for (int i = 0; i < frame->components; i++)
        if (!w.scanned[i])
            frame->lacks = "a scan of one of its components";
    return OK;
}
