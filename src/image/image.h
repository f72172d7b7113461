/* Pictures: decoding to RGB, Pillow's resize, normalisation. */
#ifndef MPA_IMAGE_IMAGE_H
#define MPA_IMAGE_IMAGE_H

#include "base/error.h"

/* 8-bit RGB, row-major: data[(y * width + x) * 3 + c]. Owned: image_free. */
typedef struct {
    int64_t width, height;
    unsigned char *data;
} Image;

void image_free(Image *image);

/* Decodes a PNG or JPEG file to RGB as Pillow's convert("RGB") does, but alpha goes over white
 * (t = c*a + 255*(255-a) + 128; ((t >> 8) + t) >> 8): palettes are expanded, grey is replicated,
 * 16-bit grey is clipped to 255; EXIF orientation is not applied. BAD_INPUT: another format
 * (named), data that are broken or cut off, a side over 16384, a file over 256 MB, more than 64
 * million pixels: all but the data are looked at before anything is decoded. */
Status image_read(Image *out, const char *path, Error *e);
/* Which decoder reads JPEG: "stb_image" or "libjpeg-turbo". */
const char *image_jpeg_decoder(void);

typedef enum { BICUBIC, LANCZOS } Filter;

/* Pillow's Image.resize, bit for bit. `out` is a new image. */
Status image_resize(Image *out, const Image *in, int64_t width, int64_t height, Filter filter, Error *e);

/* One channel value as transformers' slow image processors make it: v = float32(double(u8) *
 * rescale); (v - mean) / std in float32. */
typedef struct {
    double rescale;
    float mean[3], std[3];
} Normalise;
float normalise(const Normalise *n, unsigned char value, int channel);

#endif
