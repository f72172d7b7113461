#include "model/family/qwen2vl/picture.h"

#include "model/load.h"

#include <math.h>

static Status load_fields(Qwen2VLPictures *p, const Json *j, Error *e)
{
    static const double mean[3] = {0.48145466, 0.4578275, 0.40821073},
                        std[3] = {0.26862954, 0.26130258, 0.27577711};
    preprocessor_steps(&p->normalise, j, mean, std, 3, e);
    json_integer_or(j, j->root, "", "patch_size", 1, 256, 14, &p->patch, e);
    json_integer_or(j, j->root, "", "temporal_patch_size", 1, 16, 2, &p->temporal, e);
    json_integer_or(j, j->root, "", "merge_size", 1, 16, 2, &p->merge, e);
    json_integer_or(j, j->root, "", "min_pixels", 1, INT64_C(1) << 40, 56 * 56, &p->min_pixels, e);
    json_integer_or(j, j->root, "", "max_pixels", 1, INT64_C(1) << 40, 28 * 28 * 1280, &p->max_pixels, e);
    if (e->status == OK && p->min_pixels > p->max_pixels)
        error_set(e, BAD_INPUT, "%s: min_pixels %lld is more than max_pixels %lld", j->path,
                  (long long)p->min_pixels, (long long)p->max_pixels);
    return e->status;
}

Status qwen2vl_pictures_load(Qwen2VLPictures *p, const char *folder, Error *e)
{
    Json j;
    Status status = preprocessor_open(&j, folder, e);
    if (status == OK)
        status = load_fields(p, &j, e);
    json_close(&j);
    return status;
}

/* round(side / factor) * factor with halves to the even multiple, as Python's round */
static int64_t round_to(int64_t side, int64_t factor)
{
    return (int64_t)nearbyint((double)side / (double)factor) * factor;
}

Status qwen2vl_smart_resize(int64_t *height, int64_t *width, int64_t factor, int64_t min_pixels,
                            int64_t max_pixels, bool published, Error *e)
{
    int64_t h = *height, w = *width, least = h < w ? h : w, most = h < w ? w : h;
    if (!published && least < factor)
        return error_set(e, BAD_INPUT, "a picture of %lld x %lld pixels: both sides must be at least %lld",
                         (long long)w, (long long)h, (long long)factor);
    if ((double)most / (double)least > 200)
        return error_set(e, BAD_INPUT,
                         "a picture of %lld x %lld pixels: one side may be at most 200 times the other",
                         (long long)w, (long long)h);
    int64_t new_h = round_to(h, factor), new_w = round_to(w, factor);
    if (published) {
        new_h = new_h < factor ? factor : new_h;
        new_w = new_w < factor ? factor : new_w;
    }
    double f = (double)factor;
    if (new_h * new_w > max_pixels) {
        double beta = sqrt((double)(h * w) / (double)max_pixels);
        new_h = (int64_t)floor((double)h / beta / f) * factor;
        new_w = (int64_t)floor((double)w / beta / f) * factor;
    } else if (new_h * new_w < min_pixels) {
        double beta = sqrt((double)min_pixels / (double)(h * w));
        new_h = (int64_t)ceil((double)h * beta / f) * factor;
        new_w = (int64_t)ceil((double)w * beta / f) * factor;
    }
    if (new_h < factor || new_w < factor || new_h * new_w > INT64_C(1) << 31)
        return error_set(
            e, BAD_INPUT,
            "a picture of %lld x %lld pixels cannot be brought to %lld..%lld pixels in steps of %lld",
            (long long)w, (long long)h, (long long)min_pixels, (long long)max_pixels, (long long)factor);
    *height = new_h;
    *width = new_w;
    return OK;
}

/* Row of patch (y, x): blocks of merge x merge in raster order, in each its patches in raster
 * order. Every frame is the same picture. */
static void cut_patches(const Qwen2VLPictures *p, Picture *out, const Image *im)
{
    int64_t P = p->patch, m = p->merge, across = im->width / P;
    float table[3][256];
    for (int c = 0; c < 3; c++)
        for (int v = 0; v < 256; v++)
            table[c][v] = normalise(&p->normalise, (unsigned char)v, c);
    for (int64_t y = 0; y < im->height; y++)
        for (int64_t x = 0; x < im->width; x++) {
            int64_t py = y / P, px = x / P;
            int64_t row = ((py / m) * (across / m) + px / m) * m * m + (py % m) * m + px % m;
            const unsigned char *pixel = im->data + (y * im->width + x) * 3;
            for (int64_t c = 0; c < 3; c++)
                for (int64_t t = 0; t < p->temporal; t++)
                    out->pixels[row * out->cols + ((c * p->temporal + t) * P + y % P) * P + x % P] =
                        table[c][pixel[c]];
        }
}

static Status resize_to(const Qwen2VLPictures *p, Image *im, int64_t min_pixels, int64_t max_pixels,
                        bool published, Error *e)
{
    int64_t height = im->height, width = im->width;
    Status status =
        qwen2vl_smart_resize(&height, &width, p->patch * p->merge, min_pixels, max_pixels, published, e);
    Image resized = {0};
    if (status == OK)
        status = image_resize(&resized, im, width, height, BICUBIC, e);
    if (status == OK) {
        image_free(im);
        *im = resized;
    }
    return status;
}

Status qwen2vl_picture(const Qwen2VLPictures *p, Picture *out, const Image *rgb,
                       const PictureOptions *options, Error *e)
{
    *out = (Picture){0};
    int64_t unit = p->patch * p->merge, unit2 = unit * unit;
    int64_t min_pixels = options && options->min_pixels ? options->min_pixels : p->min_pixels;
    int64_t max_pixels = options && options->max_pixels ? options->max_pixels : p->max_pixels;
    Image im = {0};
    Status status = image_resize(&im, rgb, rgb->width, rgb->height, BICUBIC, e); /* a copy */
    /* the published pipeline resizes with its own limits first */
    if (status == OK && options && options->published)
        status = resize_to(p, &im, 4 * unit2, 16384 * unit2, true, e);
    if (status == OK)
        status = resize_to(p, &im, min_pixels, max_pixels, false, e);
    if (status == OK) {
        int64_t down = im.height / p->patch, across = im.width / p->patch;
        *out = (Picture){
            .rows = down * across, .cols = 3 * p->temporal * p->patch * p->patch, .grid = {1, down, across}};
        out->tokens = out->rows / (p->merge * p->merge);
        out->pixels = memory_new(out->rows * out->cols, sizeof *out->pixels, e);
        status = out->pixels ? OK : NO_MEMORY;
    }
    if (status == OK)
        cut_patches(p, out, &im);
    image_free(&im);
    return status;
}
