/* Pictures as SmolVLM's vision tower reads them (Idefics3ImageProcessor). */
#ifndef MPA_MODEL_FAMILY_SMOLVLM_PICTURE_H
#define MPA_MODEL_FAMILY_SMOLVLM_PICTURE_H

#include "image/image.h"
#include "model/picture.h"

/* preprocessor_config.json with transformers' defaults. */
typedef struct {
    int64_t longest_edge; /* to which every picture is resized first, small ones too */
    int64_t tile;         /* side of a tile, and of the whole picture that follows the tiles */
    bool split;
    Normalise normalise;
    int64_t patch; /* of the vision tower */
    int64_t scale; /* of the pixel shuffle: scale x scale patches make one token */
} SmolVLMPictures;

/* Reads FOLDER/preprocessor_config.json; absent: the defaults. patch and scale must be set already. */
Status smolvlm_pictures_load(SmolVLMPictures *p, const char *folder, Error *e);

/* Sets longest_edge for a picture whose tiles shall have as many pixels as the options allow (NULL: any):
 * in steps of a tile up from min_pixels, then down to max_pixels, of which one tile always fits. */
void smolvlm_limit(SmolVLMPictures *p, const Image *rgb, const PictureOptions *options);
/* The size of the first resize: the longer side becomes `longest_edge` (at most 4096), of small
 * pictures too; the other one is even. */
void smolvlm_first_size(int64_t *height, int64_t *width, int64_t longest_edge);
/* The size of the second, for cutting: both sides multiples of `tile`. */
void smolvlm_tiled_size(int64_t *height, int64_t *width, int64_t tile);

/* Resizes, cuts into tiles row by row, appends the whole picture as one more tile, normalises, and
 * cuts each tile into patches in raster order, columns channel, y, x. BAD_INPUT: more than 64
 * million pixels between the steps. */
Status smolvlm_picture(const SmolVLMPictures *p, Picture *out, const Image *rgb, Error *e);

#endif
