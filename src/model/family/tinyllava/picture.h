/* TinyLLaVA's pictures: padded to a square, resized, one frame each (expand2square and process_images
 * of TinyLLaVABench; SiglipImageProcessor). */
#ifndef MPA_MODEL_FAMILY_TINYLLAVA_PICTURE_H
#define MPA_MODEL_FAMILY_TINYLLAVA_PICTURE_H

#include "base/json.h"
#include "model/picture.h"

typedef struct {
    int64_t size, patch; /* sides in pixels of the picture as the tower sees it, and of a patch */
    bool pad;            /* to a square first; else the picture is stretched */
    bool drops_first;    /* the first patch's row is left out, as if it were a class token's */
} TinyLlavaPictures;

/* What pixels become: 1/255 as in transformers' slow processors, mean and deviation 1/2. */
extern const Normalise tinyllava_normalise;

/* Reads config.json's image_aspect_ratio; absent: `aspect`. */
Status tinyllava_pictures_load(TinyLlavaPictures *p, const Json *config, const char *aspect, Error *e);
Status tinyllava_picture(const TinyLlavaPictures *p, Picture *out, const Image *rgb, Error *e);
/* Family.place: on the picture without what it was padded with. */
PatchPlace tinyllava_place(const TinyLlavaPictures *p, const Picture *picture, int64_t patch);

#endif
