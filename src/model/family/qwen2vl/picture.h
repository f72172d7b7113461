/* Pictures as Qwen2-VL's vision tower reads them (Qwen2VLImageProcessor). */
#ifndef MPA_MODEL_FAMILY_QWEN2VL_PICTURE_H
#define MPA_MODEL_FAMILY_QWEN2VL_PICTURE_H

#include "image/image.h"
#include "model/picture.h"

/* preprocessor_config.json with transformers' defaults. */
typedef struct {
    int64_t patch, temporal, merge, min_pixels, max_pixels;
    Normalise normalise;
} Qwen2VLPictures;

/* Reads FOLDER/preprocessor_config.json; absent: the defaults. */
Status qwen2vl_pictures_load(Qwen2VLPictures *p, const char *folder, Error *e);

/* The size to which a picture is brought: multiples of `factor`, about the same aspect, at least
 * min and at most max pixels. BAD_INPUT: a side under `factor` (unless `published`, where it
 * grows), an aspect over 200. */
Status qwen2vl_smart_resize(int64_t *height, int64_t *width, int64_t factor, int64_t min_pixels,
                            int64_t max_pixels, bool published, Error *e);

/* Resizes, normalises and cuts into patches: rows in the order of the 2x2 blocks, columns
 * channel, frame, y, x. */
Status qwen2vl_picture(const Qwen2VLPictures *p, Picture *out, const Image *rgb,
                       const PictureOptions *options, Error *e);

#endif
