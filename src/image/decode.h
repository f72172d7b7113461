/* The decoders, one per format. Each fills *out; after a failure the caller frees it. */
#ifndef MPA_IMAGE_DECODE_H
#define MPA_IMAGE_DECODE_H

#include "image/source.h"

Status png_decode(Image *out, const Source *s, Error *e);
Status jpeg_decode(Image *out, const Source *s, Error *e);
/* Their headers alone. */
Status png_header(ImageHeader *out, const Source *s, Error *e);
Status jpeg_header(ImageHeader *out, const Source *s, Error *e);

/* The orientation that EXIF data, a TIFF file without a picture, name; 1 where they are broken or name
 * none (exif.c). */
int exif_orientation(const unsigned char *tiff, size_t size);

/* What the markers of a JPEG file say. */
typedef struct {
    uint64_t width, height;
    int components;    /* 0: no frame header was found */
    int orientation;   /* by EXIF; 0: none is given */
    bool adobe;        /* there is an Adobe marker: CMYK is stored inverted */
    const char *lacks; /* what a scan uses and nothing defined, for messages; NULL: nothing */
} JpegFrame;

/* Walks the markers of a file up to the one that ends the picture, and holds every scan to the tables
 * and components that were defined before it. BAD_INPUT: cut off or broken, or more scans than any
 * picture needs. */
Status jpeg_read_markers(JpegFrame *frame, const Source *s, Error *e);

/* The pixels, by the decoder that was chosen for the build (decode_jpeg_stb.c or
 * decode_jpeg_turbo.c); *out has its size and memory. */
Status jpeg_pixels(Image *out, const Source *s, const JpegFrame *frame, Error *e);

#endif
