/* SmolVLM's pictures: three resizes (Lanczos, each rounded to 8 bits), tiles, the whole picture last.
 *
 *     longest edge E, the other in proportion;  both sides up to multiples of the tile;  tile x tile
 *
 * (Idefics3ImageProcessor) */
#include "model/family/smolvlm/picture.h"

#include "base/memory.h"
#include "base/number.h"
#include "model/fields.h"

#include <math.h>

/* MAX_IMAGE_SIZE of the processor; and a limit of our own, against pictures that take all memory */
static const int64_t max_side = 4096;
static const int64_t max_pixels = 64000000;

/* KEY.longest_edge; without KEY the fallback. */
static void load_edge(int64_t *edge, const Json *j, const char *key, int64_t fallback, Error *e)
{
    const json_t *o;
    *edge = fallback;
    if (field_section(j, key, &o, e) == OK && o)
        json_integer_in(j, o, key, "longest_edge", 2, 1 << 14, edge, e);
}

Status smolvlm_pictures_load(SmolVLMPictures *p, const char *folder, Error *e)
{
    static const double half[3] = {0.5, 0.5, 0.5};
    Json j;
    preprocessor_open(&j, folder, e);
    preprocessor_steps(&p->normalise, &j, half, half, 1, e);
    json_bool_or(&j, j.root, "", "do_image_splitting", true, &p->split, e);
    load_edge(&p->longest_edge, &j, "size", 4 * 364, e);
    load_edge(&p->tile, &j, "max_image_size", 364, e);
    const int64_t side = p->tile / p->patch; /* whole patches: pixels beyond them are left out */
    if (e->status == OK && (!side || side % p->scale))
        error_set(e, BAD_INPUT,
                  "%s: max_image_size.longest_edge: wanted a number of whole patches of %lld that "
                  "scale_factor %lld "
                  "divides, found %lld pixels with %lld patches",
                  j.path, (long long)p->patch, (long long)p->scale, (long long)p->tile, (long long)side);
    json_close(&j);
    return e->status;
}

/* The longer side becomes `longer`; the other follows in proportion, rounded down. */
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
    if (*height > max_side || *width > max_side)
        set_longer(height, width, max_side);
    *height += !*height;
    *width += !*width;
}

void smolvlm_tiled_size(int64_t *height, int64_t *width, int64_t tile)
{
    set_longer(height, width, round_up(max_i64(*width, *height), tile));
    *height = round_up(*height, tile);
    *width = round_up(*width, tile);
}

/* Pixels of a picture's tiles, for this longest edge. */
static int64_t tiled_pixels(const SmolVLMPictures *p, const Image *rgb, int64_t edge)
{
    int64_t height = rgb->height;
    int64_t width = rgb->width;
    smolvlm_first_size(&height, &width, edge);
    smolvlm_tiled_size(&height, &width, p->tile);
    return height * width;
}

void smolvlm_limit(SmolVLMPictures *p, const Image *rgb, const PictureOptions *o)
{
    int64_t edge = p->longest_edge;
    if (!o || !p->split)
        return;
    while (edge < max_side && tiled_pixels(p, rgb, edge) < o->min_pixels)
        edge = round_up(edge + 1, p->tile);
    while (o->max_pixels && edge > p->tile && tiled_pixels(p, rgb, edge) > o->max_pixels)
        edge = (edge - 1) / p->tile * p->tile;
    p->longest_edge = edge;
}

/* im becomes height x width; one of that size already stays as it is. */
static void resize_to(Image *im, int64_t height, int64_t width, Error *e)
{
    Image resized;
    if (e->status != OK || (im->height == height && im->width == width))
        return;
    if (height * width > max_pixels)
        error_set(e, BAD_INPUT, "a picture that becomes %lld x %lld pixels: more than 64 million",
                  (long long)width, (long long)height);
    if (e->status != OK || image_resize(&resized, im, width, height, LANCZOS, e) != OK)
        return;
    image_free(im);
    *im = resized;
}

/* `im` is the picture in tiles; it becomes the whole picture at the size of one tile. */
static void cut_frames(const SmolVLMPictures *p, Picture *out, Image *im, Error *e)
{
    int64_t rows = im->height / p->tile;
    int64_t cols = im->width / p->tile;
    int64_t tiles = rows * cols > 1 ? rows * cols : 0;
    int64_t side = p->tile / p->patch;
    *out = (Picture){
        .rows = (tiles + 1) * side * side, .cols = 3 * p->patch * p->patch, .grid = {tiles + 1, side, side}};
    out->tokens = out->rows / (p->scale * p->scale);
    out->pixels = memory_new(out->rows * out->cols, sizeof *out->pixels, e);
    if (!out->pixels)
        return;
    for (int64_t t = 0; t < tiles; t++)
        picture_cut_frame(out, t, p->patch, &p->normalise, im, t / cols * p->tile, t % cols * p->tile);
    if (tiles) {
        out->tiles[0] = rows;
        out->tiles[1] = cols;
    }
    resize_to(im, p->tile, p->tile, e);
    if (e->status == OK)
        picture_cut_frame(out, tiles, p->patch, &p->normalise, im, 0, 0);
}

Status smolvlm_picture(const SmolVLMPictures *p, Picture *out, const Image *rgb, Error *e)
{
    int64_t height = rgb->height;
    int64_t width = rgb->width;
    Image im = {0};
    *out = (Picture){0};
    if (e->status != OK)
        return e->status;
    smolvlm_first_size(&height, &width, p->longest_edge);
    image_resize(&im, rgb, width, height, LANCZOS, e);
    if (p->split) {
        smolvlm_tiled_size(&height, &width, p->tile);
    } else {
        height = p->tile;
        width = p->tile;
    }
    resize_to(&im, height, width, e);
    if (e->status == OK)
        cut_frames(p, out, &im, e);
    image_free(&im);
    if (e->status != OK)
        picture_free(out);
    return e->status;
}
