/* A picture is pasted into the middle of a square of its longer side L, filled with 127 (0.5 * 255
 * rounded down); its offset is (L - shorter side) / 2, rounded down. Then bicubic to S x S. Pixels
 * beyond the last whole patch (S mod P) are not seen by the tower. */
#include "model/family/tinyllava/picture.h"

#include "base/memory.h"
#include "base/number.h"

#include <string.h>

enum { GREY = 127 };

const Normalise tinyllava_normalise = {
    .rescale = 1.0 / 255, .mean = {0.5f, 0.5f, 0.5f}, .std = {0.5f, 0.5f, 0.5f}};

Status tinyllava_pictures_load(TinyLlavaPictures *p, const Json *config, const char *aspect, Error *e)
{
    json_string_or(config, config->root, "", "image_aspect_ratio", aspect, &aspect, e);
    p->pad = e->status == OK && !strcmp(aspect, "pad");
    if (e->status == OK && !p->pad && strcmp(aspect, "square"))
        error_set(e, BAD_INPUT, "%s: image_aspect_ratio: wanted \"pad\" or \"square\", found \"%s\"",
                  config->path, aspect);
    return e->status;
}

/* The picture in the middle of a grey square. */
static Status pad(Image *out, const Image *rgb, Error *e)
{
    const int64_t side = max_i64(rgb->width, rgb->height);
    const int64_t left = (side - rgb->width) / 2;
    const int64_t top = (side - rgb->height) / 2;
    const size_t row = (size_t)rgb->width * 3;
    if (image_new(out, side, side, e) != OK)
        return e->status;
    memset(out->data, GREY, (size_t)(side * side) * 3);
    for (int64_t y = 0; y < rgb->height; y++)
        memcpy(out->data + ((top + y) * side + left) * 3, rgb->data + (size_t)y * row, row);
    return OK;
}

Status tinyllava_picture(const TinyLlavaPictures *p, Picture *out, const Image *rgb, Error *e)
{
    const int64_t side = p->size / p->patch;
    Image square = {0};
    *out = (Picture){.rows = side * side,
                     .cols = 3 * p->patch * p->patch,
                     .grid = {1, side, side},
                     .tokens = side * side - p->drops_first};
    if (p->pad && rgb->width != rgb->height)
        pad(&square, rgb, e);
    image_resize(&out->frame, square.data ? &square : rgb, p->size, p->size, BICUBIC, e);
    out->pixels = memory_new(out->rows * out->cols, sizeof *out->pixels, e);
    if (e->status == OK)
        picture_cut_frame(out, 0, p->patch, &tinyllava_normalise, &out->frame, 0, 0);
    image_free(&square);
    if (e->status != OK)
        picture_free(out);
    return e->status;
}

/* pad(): the square's side L is the picture's longer side, and the picture starts at `start` of it. */
static double in_picture(double part, int64_t side, int64_t L)
{
    const int64_t start = (L - side) / 2;
    return (part * (double)L - (double)start) / (double)side;
}

PatchPlace tinyllava_place(const TinyLlavaPictures *p, const Picture *picture, int64_t patch)
{
    const int64_t w = picture->width;
    const int64_t h = picture->height;
    const int64_t L = max_i64(w, h);
    const PatchPlace s =
        picture_frame_place(picture, patch, (double)(picture->grid[1] * p->patch) / (double)p->size);
    if (!p->pad)
        return s;
    return (PatchPlace){in_picture(s.left, w, L), in_picture(s.top, h, L), in_picture(s.right, w, L),
                        in_picture(s.bottom, h, L)};
}
