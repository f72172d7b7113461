/* The grid (columns, rows) of all with min <= columns * rows <= max, in the order of their area, that
 * is nearest to the picture's aspect ratio W / H; of equally near ones a later one only if the picture
 * has more than half of its pixels: W H > S^2 columns rows / 2. (find_closest_aspect_ratio,
 * dynamic_preprocess of InternVL2's README; ToTensor and Normalize of torchvision) */
#include "model/family/internvl2/picture.h"

#include "base/memory.h"
#include "base/number.h"

#include <math.h>

enum { MAX_TILES = 256 };

Status internvl2_pictures_load(InternVL2Pictures *p, const Json *config, Error *e)
{
    const json_t *o = config->root;
    p->normalise =
        (Normalise){.divide = true, .mean = {0.485f, 0.456f, 0.406f}, .std = {0.229f, 0.224f, 0.225f}};
    json_bool_or(config, o, "", "dynamic_image_size", false, &p->cut, e);
    json_bool_or(config, o, "", "use_thumbnail", false, &p->thumbnail, e);
    json_integer_or(config, o, "", "min_dynamic_patch", 1, MAX_TILES, 1, &p->min, e);
    json_integer_or(config, o, "", "max_dynamic_patch", 1, MAX_TILES, 6, &p->max, e);
    if (e->status == OK && p->min > p->max)
        error_set(e, BAD_INPUT, "%s: min_dynamic_patch %lld is more than max_dynamic_patch %lld",
                  config->path, (long long)p->min, (long long)p->max);
    return e->status;
}

/* n, at least 1 and at most MAX_TILES. */
static int64_t within(int64_t n)
{
    return min_i64(max_i64(n, 1), MAX_TILES);
}

void internvl2_limit(InternVL2Pictures *p, const PictureOptions *o)
{
    const int64_t tile = p->tile * p->tile;
    if (o && o->min_pixels) {
        p->min = within((o->min_pixels + tile - 1) / tile);
        p->max = max_i64(p->max, p->min);
    }
    if (o && o->max_pixels) {
        p->max = within(o->max_pixels / tile);
        p->min = min_i64(p->min, p->max);
    }
}

void internvl2_grid(const InternVL2Pictures *p, int64_t width, int64_t height, int64_t *columns,
                    int64_t *rows)
{
    const double aspect = (double)width / (double)height;
    const double area = (double)width * (double)height;
    const double tile = (double)p->tile * (double)p->tile;
    double nearest = INFINITY;
    *columns = 1;
    *rows = 1;
    for (int64_t n = p->min; p->cut && n <= p->max; n++)
        for (int64_t i = 1; i <= n; i++) {
            const int64_t j = n / i;
            const double distance = fabs(aspect - (double)i / (double)j);
            const bool as_near = !(distance < nearest) && !(distance > nearest);
            if (n % i || (as_near && !(area > 0.5 * tile * (double)n)))
                continue;
            if (distance < nearest || as_near) {
                nearest = distance;
                *columns = i;
                *rows = j;
            }
        }
}

Status internvl2_picture(const InternVL2Pictures *p, Picture *out, const Image *rgb, Error *e)
{
    const int64_t S = p->tile;
    const int64_t side = S / p->patch;
    int64_t columns, rows;
    Image whole = {0};
    Image thumbnail = {0};
    *out = (Picture){0};
    if (e->status != OK)
        return e->status;
    internvl2_grid(p, rgb->width, rgb->height, &columns, &rows);
    const int64_t tiles = columns * rows;
    const int64_t frames = tiles + (p->thumbnail && tiles > 1);
    image_resize(&whole, rgb, columns * S, rows * S, BICUBIC, e);
    if (frames > tiles)
        image_resize(&thumbnail, rgb, S, S, BICUBIC, e);
    *out = (Picture){.rows = frames * side * side,
                     .cols = 3 * p->patch * p->patch,
                     .grid = {frames, side, side},
                     .tiles = {rows, columns},
                     .tokens = frames * side * side / (p->scale * p->scale)};
    out->pixels = memory_new(out->rows * out->cols, sizeof *out->pixels, e);
    for (int64_t t = 0; t < tiles && e->status == OK; t++)
        picture_cut_frame(out, t, p->patch, &p->normalise, &whole, t / columns * S, t % columns * S);
    if (frames > tiles && e->status == OK)
        picture_cut_frame(out, tiles, p->patch, &p->normalise, &thumbnail, 0, 0);
    image_free(&whole);
    image_free(&thumbnail);
    if (e->status != OK)
        picture_free(out);
    return e->status;
}
