/* What the decoders of the formats share. */
#ifndef MPA_IMAGE_DECODE_H
#define MPA_IMAGE_DECODE_H

#include "base/file.h"
#include "image/image.h"

/* A picture file in memory. */
typedef struct {
    const char *path; /* for messages; borrowed */
    const unsigned char *data;
    size_t size;
} Source;

/* Memory for a picture of that size, not cleared; refuses what is beyond the limits of
 * image_read. To be called before anything is decoded. */
Status decode_start(Image *out, const Source *s, uint64_t width, uint64_t height, Error *e);
/* BAD_INPUT: "PATH: what". */
Status decode_failed(const Source *s, const char *what, Error *e);

uint32_t load_big16(const unsigned char *p);
uint32_t load_big32(const unsigned char *p);

/* These fill *out; after a failure the caller frees it. */
Status png_decode(Image *out, const Source *s, Error *e);

/* What the frame header of a JPEG file says. */
typedef struct {
    int components;
    bool adobe; /* an Adobe marker: CMYK is stored inverted */
} JpegFrame;

/* By the decoder that was chosen for the build; *out has its size and memory. */
Status jpeg_decode(Image *out, const Source *s, const JpegFrame *frame, Error *e);

#endif
