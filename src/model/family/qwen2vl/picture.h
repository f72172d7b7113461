/* Pictures as Qwen2-VL's vision tower reads them (Qwen2VLImageProcessor). */
#ifndef MPA_MODEL_FAMILY_QWEN2VL_PICTURE_H
#define MPA_MODEL_FAMILY_QWEN2VL_PICTURE_H

#include "image/image.h"
#include "model/picture.h"

typedef struct {
    int64_t min, max;
} PixelLimits;

/* preprocessor_config.json with transformers' defaults. */
typedef struct {
    int64_t patch, temporal, merge;
    PixelLimits limits;
    Normalise normalise;
} Qwen2VLPictures;

/* Reads FOLDER/preprocessor_config.json; absent: the defaults. */
Status qwen2vl_pictures_load(Qwen2VLPictures *p, const char *folder, Error *e);

/* The size to which a picture is resized: multiples of `factor`, about the same aspect, within the
 * limits. BAD_INPUT: a side under `factor` (with `published` it grows instead), an aspect over
 * 200. */
Status qwen2vl_smart_resize(int64_t *height, int64_t *width, int64_t factor, const PixelLimits *limits,
                            bool published, Error *e);

/* Resizes, normalises and cuts into patches: rows by blocks of merge x merge patches, columns
 * channel, frame, y, x. */
Status qwen2vl_picture(const Qwen2VLPictures *p, Picture *out, const Image *rgb,
                       const PictureOptions *options, Error *e);
/* Family.place: a picture is resized as a whole. */
PatchPlace qwen2vl_place(const Qwen2VLPictures *p, const Picture *picture, int64_t patch);

#endif
