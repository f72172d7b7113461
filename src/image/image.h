/* Pictures: decoding to RGB, Pillow's resize, normalisation, encoding. */
#ifndef MPA_IMAGE_IMAGE_H
#define MPA_IMAGE_IMAGE_H

#include "base/text.h"

/* 8-bit RGB, row by row: data[(y * width + x) * 3 + c]. Owned: image_free. */
typedef struct {
    int64_t width, height;
    unsigned char *data;
} Image;

/* Memory for a picture of width x height pixels, not cleared. NO_MEMORY, also when the size
 * overflows. */
Status image_new(Image *out, int64_t width, int64_t height, Error *e);
void image_free(Image *image);

/* Decodes a PNG or JPEG file to RGB as Pillow's convert("RGB") does: palettes are expanded, grey is
 * replicated, 16-bit grey is clipped to 255, EXIF orientation is not applied. Other than in Pillow,
 * alpha goes over white: t = c a + 255 (255 - a) + 128; ((t >> 8) + t) >> 8.
 *
 * BAD_INPUT: another format (named), data that are broken or cut off, a side over 16384, more than
 * 64 million pixels, a file over 256 MB. All of this but the data is checked before anything is
 * decoded. After a failure *out is empty. */
Status image_read(Image *out, const char *path, Error *e);

/* What such a file says of its picture; nothing is decoded. */
typedef struct {
    int64_t width, height;
    int orientation; /* by EXIF, 1 to 8: how the picture must be turned to stand upright; 1: not at all */
} ImageHeader;
/* BAD_INPUT as for image_read, but for faults within compressed data: what is cut off is found. */
Status image_header(ImageHeader *out, const char *path, Error *e);
/* Turns a picture of that orientation upright, in place (Pillow's ImageOps.exif_transpose). NO_MEMORY
 * leaves it as it was. */
Status image_turn(Image *image, int orientation, Error *e);

/* Which decoder reads JPEG: "stb_image" or "libjpeg-turbo". */
const char *image_jpeg_decoder(void);

typedef enum { BICUBIC, LANCZOS } Filter;

/* Pillow's Image.resize, bit for bit. *out is a new image, empty after a failure. BAD_INPUT: a size
 * below 1. */
Status image_resize(Image *out, const Image *in, int64_t width, int64_t height, Filter filter, Error *e);

/* Appends the picture (a side of at most 65535) as a JPEG file; quality from 1 to 100. */
Status image_jpeg(Text *out, const Image *in, int quality, Error *e);
/* The same as a PNG file, without loss. */
Status image_png(Text *out, const Image *in, Error *e);

/* One channel value as transformers' slow image processors make it: v = float32(double(u8) *
 * rescale); (v - mean) / std in float32. With `divide` as torchvision makes it: v = u8 / 255 in
 * float32. The two may differ in the last bit. */
typedef struct {
    double rescale;
    bool divide;
    float mean[3], std[3];
} Normalise;
float normalise(const Normalise *n, unsigned char value, int channel);

#endif
