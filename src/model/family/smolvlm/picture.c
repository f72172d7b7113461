#include "model/family/smolvlm/picture.h"

#include "base/number.h"
#include "model/load.h"

#include <math.h>

static const int64_t max_side = 4096, max_pixels = 64000000;

static int64_t load_edge(const Json *j, const char *key, int64_t fallback, Error *e)
{
    int64_t edge = fallback;
    json_t *o = json_object_get(j->root, key);
    if (o && !json_is_null(o) && json_object_in(j, j->root, "", key, &o, e) == OK)
        json_integer_in(j, o, key, "longest_edge", 2, 1 << 14, &edge, e);
    return edge;
}

Status smolvlm_pictures_load(SmolVLMPictures *p, const char *folder, Error *e)
{
    static const double half[3] = {0.5, 0.5, 0.5};
    Json j;
    if (preprocessor_open(&j, folder, e) != OK)
        return e->status;
    preprocessor_steps(&p->normalise, &j, half, half, 1, e);
    json_bool_or(&j, j.root, "", "do_image_splitting", true, &p->split, e);
    p->longest_edge = e->status == OK ? load_edge(&j, "size", 4 * 364, e) : 0;
    p->tile = e->status == OK ? load_edge(&j, "max_image_size", 364, e) : 0;
    if (e->status == OK && p->tile % (p->patch * p->scale))
        error_set(e, BAD_INPUT,
                  "%s: max_image_size.longest_edge: wanted a multiple of %lld (patch_size * scale_factor), "
                  "found %lld",
                  j.path, (long long)(p->patch * p->scale), (long long)p->tile);
    json_close(&j);
    return e->status;
}

/* The longer side becomes `longer`, the other follows, rounded down. */
static void set_longer(int64_t *height, int64_t *width, int64_t longer)
{
    double aspect = (double)*width / (double)*height;
    if (*width >= *height) {
        *width = longer;
        *height = (int64_t)((double)longer / aspect);
    } else {
        *height = longer;
        *width = (int64_t)((double)longer * aspect);
    }
}

void smolvlm_first_size(int64_t *height, int64_t *width, int64_t longest_edge)
{
    int64_t *shorter = *width >= *height ? height : width;
    set_longer(height, width, longest_edge);
    *shorter += *shorter % 2;
    *shorter += !*shorter;
    if (*height > max_side || *width > max_side)
        set_longer(height, width, max_side);
    *height += !*height;
    *width += !*width;
}

void smolvlm_tiled_size(int64_t *height, int64_t *width, int64_t tile)
{
    set_longer(height, width, round_up(*width >= *height ? *width : *height, tile));
    *height = round_up(*height, tile);
    *width = round_up(*width, tile);
}

/* im becomes height x width; one of that size already stays as it is. */
static Status resize_to(Image *im, int64_t height, int64_t width, Error *e)
{
    Image resized;
    if (im->height == height && im->width == width)
        return OK;
    if (height * width > max_pixels)
        return error_set(e, BAD_INPUT, "a picture that becomes %lld x %lld pixels: more than 64 million",
                         (long long)width, (long long)height);
    Status status = image_resize(&resized, im, width, height, LANCZOS, e);
    if (status == OK) {
        image_free(im);
        *im = resized;
    }
    return status;
}

/* The patches of the part of `im` that starts at (top, left), as frame number `frame`. */
static void cut_frame(const SmolVLMPictures *p, Picture *out, int64_t frame, const Image *im, int64_t top,
                      int64_t left)
{
    int64_t P = p->patch, down = out->grid[1], across = out->grid[2];
    float *to = out->pixels + frame * down * across * out->cols;
    for (int64_t y = 0; y < down * P; y++)
        for (int64_t x = 0; x < across * P; x++) {
            const unsigned char *pixel = im->data + ((top + y) * im->width + left + x) * 3;
            float *patch = to + (y / P * across + x / P) * out->cols;
            for (int64_t c = 0; c < 3; c++)
                patch[(c * P + y % P) * P + x % P] = normalise(&p->normalise, pixel[c], (int)c);
        }
}

/* `im` is the picture in tiles; it becomes the global picture. */
static Status cut_frames(const SmolVLMPictures *p, Picture *out, Image *im, Error *e)
{
    int64_t rows = im->height / p->tile, cols = im->width / p->tile,
            tiles = rows * cols > 1 ? rows * cols : 0, side = p->tile / p->patch;
    *out = (Picture){
        .rows = (tiles + 1) * side * side, .cols = 3 * p->patch * p->patch, .grid = {tiles + 1, side, side}};
    out->tokens = out->rows / (p->scale * p->scale);
    if (!(out->pixels = memory_new(out->rows * out->cols, sizeof *out->pixels, e)))
        return NO_MEMORY;
    for (int64_t t = 0; t < tiles; t++)
        cut_frame(p, out, t, im, t / cols * p->tile, t % cols * p->tile);
    if (tiles) {
        out->tiles[0] = rows;
        out->tiles[1] = cols;
    }
    if (resize_to(im, p->tile, p->tile, e) != OK) {
        picture_free(out);
        return e->status;
    }
    cut_frame(p, out, tiles, im, 0, 0);
    return OK;
}

Status smolvlm_picture(const SmolVLMPictures *p, Picture *out, const Image *rgb, Error *e)
{
    int64_t height = rgb->height, width = rgb->width;
    Image im = {0};
    *out = (Picture){0};
    smolvlm_first_size(&height, &width, p->longest_edge);
    Status status = image_resize(&im, rgb, width, height, LANCZOS, e);
    if (p->split)
        smolvlm_tiled_size(&height, &width, p->tile);
    else
        height = width = p->tile;
    if (status == OK)
        status = resize_to(&im, height, width, e);
    if (status == OK)
        status = cut_frames(p, out, &im, e);
    image_free(&im);
    return status;
}
