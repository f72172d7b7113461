/* Pictures as SmolVLM's vision tower reads them (Idefics3ImageProcessor). */
#ifndef MPA_MODEL_FAMILY_SMOLVLM_PICTURE_H
#define MPA_MODEL_FAMILY_SMOLVLM_PICTURE_H

#include "image/image.h"
#include "model/picture.h"

/* preprocessor_config.json with transformers' defaults. */
typedef struct {
    int64_t longest_edge; /* every picture is brought to this first, small ones too */
    int64_t tile;         /* side of a tile and of the global picture */
    bool split;
    Normalise normalise;
    int64_t patch; /* of the vision tower */
    int64_t scale; /* of the pixel shuffle: this many patches down and across make one token */
} SmolVLMPictures;

/* Reads FOLDER/preprocessor_config.json; absent: the defaults. patch and scale must be set already. */
Status smolvlm_pictures_load(SmolVLMPictures *p, const char *folder, Error *e);

/* What a picture is resized to first: its longest edge `longest_edge` (at most 4096), the other
 * one even. */
void smolvlm_first_size(int64_t *height, int64_t *width, int64_t longest_edge);
/* And next, for cutting: both sides multiples of `tile`. */
void smolvlm_tiled_size(int64_t *height, int64_t *width, int64_t tile);

/* Resizes, cuts into tiles row by row, appends the global picture, normalises, and cuts each
 * frame into patches in raster order, columns channel, y, x. BAD_INPUT: more than 64 million
 * pixels on the way. */
Status smolvlm_picture(const SmolVLMPictures *p, Picture *out, const Image *rgb, Error *e);

#endif
