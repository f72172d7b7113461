/* A picture as a vision tower reads it. Each family resizes, cuts and normalises in its own way. */
#ifndef MPA_MODEL_PICTURE_H
#define MPA_MODEL_PICTURE_H

#include "image/image.h"
#include "model/vlm.h"

typedef struct {
    float *pixels; /* [rows, cols]: one patch per row, in the family's order; owned */
    int64_t rows, cols;
    int64_t grid[3];       /* frames (or tiles), and patches down and across, of one frame */
    int64_t tiles[2];      /* tiles down and across; the whole picture is one more frame, the last.
                       * 0, 0: the picture was not cut */
    int64_t tokens;        /* how many positions of the text its rows take */
    int64_t width, height; /* of the picture in the file, turned upright where that is asked for */
    /* [tokens, width of the text]: the rows that replace its tokens (vlm_features); borrowed; NULL: not known */
    const float *features;
    Image frame; /* the one frame, where patches leave out some of its pixels; data NULL: none */
} Picture;

/* What may be asked for beyond the checkpoint's own settings. A family reads what concerns it.
 * Functions take NULL for all defaults. */
typedef struct {
    int64_t min_pixels, max_pixels; /* of a picture as the tower sees it, in families with tiles without
                                     * the whole picture behind them; 0: the checkpoint's limits */
    bool published;                 /* Qwen2-VL: resize twice, as the published pipeline does */
    bool exif;                      /* turn the picture upright first, as its EXIF data say */
} PictureOptions;

/* Reads an image file (PNG, JPEG). Owned: picture_free. An error names the file. */
Status vlm_picture(const Vlm *vlm, Picture *out, const char *path, const PictureOptions *options, Error *e);
void picture_free(Picture *p);
/* BAD_USAGE, with the model's name, where no picture of its family can have so few or so many pixels. */
Status vlm_check_pictures(const Vlm *vlm, const PictureOptions *options, Error *e);

/* What families that cut pictures into square frames of P x P patches share. Patches are in raster
 * order, the columns of a patch are channel, y, x: the part of `im` that starts at (top, left)
 * becomes frame number `frame` of `out`, whose sizes are set. */
void picture_cut_frame(Picture *out, int64_t frame, int64_t P, const Normalise *n, const Image *im,
                       int64_t top, int64_t left);
/* Such pictures as [frames, 3, H, W], frames of all pictures one after another; *frames, *H, *W: its
 * sizes. Arena memory; NULL after a failure or without pictures. */
float *picture_frames(Run *run, const Picture *pictures, int64_t count, int64_t P, int64_t *frames,
                      int64_t *H, int64_t *W);

/* Where a patch stands on its picture, as parts of the picture's width and height from its top left corner.
 * What lies below 0 or above 1 is not the picture but what it was padded with. */
typedef struct {
    double left, top, right, bottom;
} PatchPlace;
/* Of a picture in such frames, of which the patches cover this part of each side from the top left. */
PatchPlace picture_frame_place(const Picture *p, int64_t patch, double covered);

/* The patches of pictures, one after another: [sum of rows, cols], a constant input, unless run->pixels
 * wants its gradient. NULL after a failure. */
Mat *picture_patches(Run *run, const Picture *const *pictures, int64_t count);

#endif
