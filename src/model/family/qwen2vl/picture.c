/* Qwen2-VL's pictures: resized to multiples of patch * merge within pixel limits, normalised, cut
 * into patches.
 *
 *     side' = round(side / f) f;  beyond the limits floor(side / b / f) f or ceil(side b / f) f,
 *     b = sqrt(pixels / max) or sqrt(min / pixels),  f = patch * merge
 *
 * (Qwen2VLImageProcessor, smart_resize; the published pipeline's own resize is qwen-vl-utils') */
#include "model/family/qwen2vl/picture.h"

#include "base/memory.h"
#include "base/number.h"
#include "model/fields.h"

#include <math.h>

/* A picture takes 24 bytes per pixel and its attention grows with the square: a checkpoint may ask for what
 * the published ones do, 16384 tokens of 28 x 28 pixels, and enlarge small pictures to a third of it. Who runs
 * the program may ask for more. */
enum { MOST_PIXELS = 16384 * 28 * 28, MOST_MIN_PIXELS = 1 << 22 };

static Status load_fields(Qwen2VLPictures *p, const Json *j, Error *e)
{
    static const double mean[3] = {0.48145466, 0.4578275, 0.40821073};
    static const double std[3] = {0.26862954, 0.26130258, 0.27577711};
    const json_t *size;
    preprocessor_steps(&p->normalise, j, mean, std, 3, e);
    json_integer_or(j, j->root, "", "patch_size", 1, 256, 14, &p->patch, e);
    json_integer_or(j, j->root, "", "temporal_patch_size", 1, 16, 2, &p->temporal, e);
    json_integer_or(j, j->root, "", "merge_size", 1, 16, 2, &p->merge, e);
    /* transformers 5 calls the limits size.shortest_edge and size.longest_edge; pixels they are all the same */
    field_section(j, "size", &size, e);
    json_integer_or(j, size, "size", "shortest_edge", 1, MOST_MIN_PIXELS, 56 * 56, &p->limits.min, e);
    json_integer_or(j, size, "size", "longest_edge", 1, MOST_PIXELS, 28 * 28 * 1280, &p->limits.max, e);
    json_integer_or(j, j->root, "", "min_pixels", 1, MOST_MIN_PIXELS, p->limits.min, &p->limits.min, e);
    json_integer_or(j, j->root, "", "max_pixels", 1, MOST_PIXELS, p->limits.max, &p->limits.max, e);
    if (e->status == OK && p->limits.min > p->limits.max)
        error_set(e, BAD_INPUT, "%s: min_pixels %lld is more than max_pixels %lld", j->path,
                  (long long)p->limits.min, (long long)p->limits.max);
    return e->status;
}

Status qwen2vl_pictures_load(Qwen2VLPictures *p, const char *folder, Error *e)
{
    Json j;
    preprocessor_open(&j, folder, e);
    load_fields(p, &j, e);
    json_close(&j);
    return e->status;
}

/* round(side / factor) * factor; halves go to the even multiple, as Python's round has it. */
static int64_t round_to(int64_t side, int64_t factor)
{
    return (int64_t)nearbyint((double)side / (double)factor) * factor;
}

Status qwen2vl_smart_resize(int64_t *height, int64_t *width, int64_t factor, const PixelLimits *limits,
                            bool published, Error *e)
{
    int64_t h = *height;
    int64_t w = *width;
    int64_t shorter = min_i64(h, w);
    int64_t longer = max_i64(h, w);
    if (e->status != OK)
        return e->status;
    if (!published && shorter < factor)
        return error_set(e, BAD_INPUT, "a picture of %lld x %lld pixels: both sides must be at least %lld",
                         (long long)w, (long long)h, (long long)factor);
    if ((double)longer / (double)shorter > 200)
        return error_set(e, BAD_INPUT,
                         "a picture of %lld x %lld pixels: one side may be at most 200 times the other",
                         (long long)w, (long long)h);
    int64_t new_h = round_to(h, factor);
    int64_t new_w = round_to(w, factor);
    if (published) {
        new_h = max_i64(new_h, factor);
        new_w = max_i64(new_w, factor);
    }
    double f = (double)factor;
    if (new_h * new_w > limits->max) {
        double beta = sqrt((double)(h * w) / (double)limits->max);
        new_h = (int64_t)floor((double)h / beta / f) * factor;
        new_w = (int64_t)floor((double)w / beta / f) * factor;
    } else if (new_h * new_w < limits->min) {
        double beta = sqrt((double)limits->min / (double)(h * w));
        new_h = (int64_t)ceil((double)h * beta / f) * factor;
        new_w = (int64_t)ceil((double)w * beta / f) * factor;
    }
    if (new_h < factor || new_w < factor || new_h * new_w > INT64_C(1) << 31)
        return error_set(
            e, BAD_INPUT,
            "a picture of %lld x %lld pixels cannot be brought to %lld..%lld pixels in steps of %lld",
            (long long)w, (long long)h, (long long)limits->min, (long long)limits->max, (long long)factor);
    *height = new_h;
    *width = new_w;
    return OK;
}

/* Patches are in blocks of merge x merge: blocks in raster order, and in each block its patches in
 * raster order. Every frame is the same picture. */
static void cut_patches(const Qwen2VLPictures *p, Picture *out, const Image *im)
{
    int64_t P = p->patch;
    int64_t m = p->merge;
    int64_t across = im->width / P;
    float table[3][256];
    for (int c = 0; c < 3; c++)
        for (int v = 0; v < 256; v++)
            table[c][v] = normalise(&p->normalise, (unsigned char)v, c);
    for (int64_t y = 0; y < im->height; y++)
        for (int64_t x = 0; x < im->width; x++) {
            int64_t py = y / P;
            int64_t px = x / P;
            int64_t row = ((py / m) * (across / m) + px / m) * m * m + (py % m) * m + px % m;
            const unsigned char *pixel = im->data + (y * im->width + x) * 3;
            for (int64_t c = 0; c < 3; c++)
                for (int64_t t = 0; t < p->temporal; t++)
                    out->pixels[row * out->cols + ((c * p->temporal + t) * P + y % P) * P + x % P] =
                        table[c][pixel[c]];
        }
}

/* im becomes its own resized copy. */
static void resize_to(const Qwen2VLPictures *p, Image *im, const PixelLimits *limits, bool published,
                      Error *e)
{
    int64_t height = im->height;
    int64_t width = im->width;
    qwen2vl_smart_resize(&height, &width, p->patch * p->merge, limits, published, e);
    Image resized = {0};
    if (e->status != OK || image_resize(&resized, im, width, height, BICUBIC, e) != OK)
        return;
    image_free(im);
    *im = resized;
}

Status qwen2vl_picture(const Qwen2VLPictures *p, Picture *out, const Image *rgb,
                       const PictureOptions *options, Error *e)
{
    int64_t unit2 = p->patch * p->merge * p->patch * p->merge;
    PixelLimits limits = p->limits;
    if (options && options->min_pixels)
        limits.min = options->min_pixels;
    if (options && options->max_pixels)
        limits.max = options->max_pixels;
    *out = (Picture){0};
    if (e->status != OK)
        return e->status;
    Image im = {0};
    image_resize(&im, rgb, rgb->width, rgb->height, BICUBIC, e); /* a copy */
    if (options && options->published) /* the published pipeline resizes with its own limits first */
        resize_to(p, &im, &(PixelLimits){4 * unit2, 16384 * unit2}, true, e);
    resize_to(p, &im, &limits, false, e);
    if (e->status == OK) {
        int64_t down = im.height / p->patch;
        int64_t across = im.width / p->patch;
        *out = (Picture){.rows = down * across,
                         .cols = 3 * p->temporal * p->patch * p->patch,
                         .grid = {1, down, across},
                         .tokens = down * across / (p->merge * p->merge)};
        out->pixels = memory_new(out->rows * out->cols, sizeof *out->pixels, e);
    }
    if (out->pixels)
        cut_patches(p, out, &im);
    image_free(&im);
    return e->status;
}

/* cut_patches: row = block (y / m, x / m) of across / m blocks in a row, m x m patches each */
PatchPlace qwen2vl_place(const Qwen2VLPictures *p, const Picture *picture, int64_t patch)
{
    const int64_t m = p->merge;
    const int64_t blocks = picture->grid[2] / m;
    const int64_t block = patch / (m * m);
    const int64_t y = block / blocks * m + patch % (m * m) / m;
    const int64_t x = block % blocks * m + patch % m;
    const double height = 1 / (double)picture->grid[1];
    const double width = 1 / (double)picture->grid[2];
    return (PatchPlace){(double)x * width, (double)y * height, (double)(x + 1) * width,
                        (double)(y + 1) * height};
}
