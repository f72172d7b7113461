/* What every decoder works on: a picture file in memory. */
#ifndef MPA_IMAGE_SOURCE_H
#define MPA_IMAGE_SOURCE_H

#include "image/image.h"

typedef struct {
    const char *path; /* for messages; borrowed */
    const unsigned char *data;
    size_t size;
} Source;

/* BAD_INPUT: no pixels, or beyond the limits of image_read. */
Status source_check_size(const Source *s, uint64_t width, uint64_t height, Error *e);
/* Memory for the picture, not cleared, once a decoder knows its size and before it decodes anything.
 * BAD_INPUT: no pixels, or beyond the limits of image_read. */
Status source_image(Image *out, const Source *s, uint64_t width, uint64_t height, Error *e);
/* BAD_INPUT: "PATH: what". */
Status source_failed(const Source *s, const char *what, Error *e);

#endif
