/* InternVL2's pictures: tiles by aspect ratio (dynamic_preprocess of its README). */
#ifndef MPA_MODEL_FAMILY_INTERNVL2_PICTURE_H
#define MPA_MODEL_FAMILY_INTERNVL2_PICTURE_H

#include "base/json.h"
#include "model/picture.h"

typedef struct {
    int64_t tile;     /* side of a tile in pixels */
    int64_t patch;    /* of the tower */
    int64_t scale;    /* of the pixel shuffle */
    int64_t min, max; /* tiles of a picture, without the thumbnail */
    bool cut;         /* dynamic_image_size; else every picture is one tile */
    bool thumbnail;   /* a picture of several tiles has the whole one behind them */
    Normalise normalise;
} InternVL2Pictures;

/* Reads config.json; patch, scale and tile must be set already. */
Status internvl2_pictures_load(InternVL2Pictures *p, const Json *config, Error *e);
/* Sets min and max to what the pixel limits allow (NULL: any), at least one tile. */
void internvl2_limit(InternVL2Pictures *p, const PictureOptions *options);
/* How a picture of this size is cut: the grid whose aspect ratio is nearest. */
void internvl2_grid(const InternVL2Pictures *p, int64_t width, int64_t height, int64_t *columns,
                    int64_t *rows);
/* Resizes to whole tiles (bicubic), cuts row by row, appends the thumbnail, normalises, and cuts each
 * tile into patches. */
Status internvl2_picture(const InternVL2Pictures *p, Picture *out, const Image *rgb, Error *e);

#endif
