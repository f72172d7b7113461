/* stb_image behind a narrow door: the only way to it. */
#ifndef MPA_IMAGE_DECODE_STB_H
#define MPA_IMAGE_DECODE_STB_H

#include "image/image.h"

/* Decodes to RGB; alpha goes over white. BAD_INPUT says why it failed. */
Status decode_stb(Image *out, const unsigned char *bytes, size_t count, Error *e);

#endif
