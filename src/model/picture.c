/* From an image file to the family's picture, and from pictures to the input of a vision tower. */
#include "model/picture.h"

#include "model/family.h"

#include <stdlib.h>
#include <string.h>

static void turn_upright(Image *rgb, const char *path, Error *e)
{
    ImageHeader header = {0};
    if (e->status == OK)
        image_header(&header, path, e);
    image_turn(rgb, header.orientation, e);
}

Status vlm_picture(const Vlm *vlm, Picture *out, const char *path, const PictureOptions *options, Error *e)
{
    *out = (Picture){0};
    if (e->status != OK)
        return e->status;
    Image rgb = {0};
    image_read(&rgb, path, e);
    if (options && options->exif)
        turn_upright(&rgb, path, e);
    if (e->status == OK && vlm->family->picture(vlm, out, &rgb, options, e) != OK)
        error_prefix(e, "%s", path);
    out->width = rgb.width;
    out->height = rgb.height;
    image_free(&rgb);
    return e->status;
}

Status vlm_check_pictures(const Vlm *vlm, const PictureOptions *o, Error *e)
{
    bool fixed = false;
    const int64_t tile = vlm->family->tile(vlm, &fixed);
    const char *some = fixed ? "exactly" : "at least";
    if (e->status != OK)
        return e->status;
    if (o->max_pixels && o->max_pixels < tile)
        error_set(e, BAD_USAGE, "%s (%s): max_pixels = %lld: its pictures have %s %lld pixels", vlm->folder,
                  vlm->type->name, (long long)o->max_pixels, some, (long long)tile);
    else if (fixed && o->min_pixels > tile)
        error_set(e, BAD_USAGE, "%s (%s): min_pixels = %lld: its pictures have %s %lld pixels", vlm->folder,
                  vlm->type->name, (long long)o->min_pixels, some, (long long)tile);
    return e->status;
}

void picture_free(Picture *p)
{
    free(p->pixels);
    image_free(&p->frame);
    *p = (Picture){0};
}

Mat *picture_patches(Run *run, const Picture *const *pictures, int64_t count)
{
    int64_t rows = 0;
    for (int64_t i = 0; i < count; i++)
        rows += pictures[i]->rows;
    Mat *pixels = mat_new(run, rows, pictures[0]->cols);
    if (!pixels)
        return NULL;
    pixels->constant = !run->pixels;
    if (run->pixels)
        *run->pixels = pixels;
    float *to = pixels->data;
    for (int64_t i = 0; i < count; i++) {
        int64_t values = pictures[i]->rows * pictures[i]->cols;
        memcpy(to, pictures[i]->pixels, (size_t)values * sizeof *to);
        to += values;
    }
    return pixels;
}

void picture_cut_frame(Picture *out, int64_t frame, int64_t P, const Normalise *n, const Image *im,
                       int64_t top, int64_t left)
{
    const int64_t down = out->grid[1];
    const int64_t across = out->grid[2];
    float *to = out->pixels + frame * down * across * out->cols;
    for (int64_t y = 0; y < down * P; y++)
        for (int64_t x = 0; x < across * P; x++) {
            const unsigned char *pixel = im->data + ((top + y) * im->width + left + x) * 3;
            float *patch = to + (y / P * across + x / P) * out->cols;
            for (int64_t c = 0; c < 3; c++)
                patch[(c * P + y % P) * P + x % P] = normalise(n, pixel[c], (int)c);
        }
}

PatchPlace picture_frame_place(const Picture *p, int64_t patch, double covered)
{
    const int64_t patches = p->grid[1] * p->grid[2];
    const int64_t frame = patch / patches;
    const bool whole = frame >= p->tiles[0] * p->tiles[1];
    const int64_t across = whole ? 1 : p->tiles[1]; /* frames in a row of the picture */
    const int64_t down = whole ? 1 : p->tiles[0];
    const double height = covered / (double)(down * p->grid[1]); /* of a patch */
    const double width = covered / (double)(across * p->grid[2]);
    const double top = (whole ? 0 : (double)(frame / across) / (double)down) +
                       height * (double)(patch % patches / p->grid[2]);
    const double left =
        (whole ? 0 : (double)(frame % across) / (double)across) + width * (double)(patch % p->grid[2]);
    return (PatchPlace){left, top, left + width, top + height};
}

/* Patch k of a picture back to its pixels in frames [frames, 3, H, W]. */
static void put_patch(float *frames, const Picture *p, int64_t k, int64_t P)
{
    const int64_t across = p->grid[2];
    const int64_t patches = p->grid[1] * across;
    const int64_t H = p->grid[1] * P;
    const int64_t W = across * P;
    const int64_t top = k % patches / across * P;
    const int64_t left = k % across * P;
    const float *from = p->pixels + k * p->cols;
    for (int64_t c = 0; c < 3; c++)
        for (int64_t y = 0; y < P; y++)
            for (int64_t x = 0; x < P; x++)
                frames[((k / patches * 3 + c) * H + top + y) * W + left + x] = from[(c * P + y) * P + x];
}

float *picture_frames(Run *run, const Picture *pictures, int64_t count, int64_t P, int64_t *frames,
                      int64_t *H, int64_t *W)
{
    *frames = 0;
    for (int64_t i = 0; i < count; i++)
        *frames += pictures[i].grid[0];
    if (!*frames)
        return NULL;
    *H = pictures[0].grid[1] * P;
    *W = pictures[0].grid[2] * P;
    float *pixels = run_alloc(run, *frames * 3 * *H * *W, sizeof *pixels);
    float *to = pixels;
    for (int64_t i = 0; pixels && i < count; i++) {
        for (int64_t k = 0; k < pictures[i].rows; k++)
            put_patch(to, pictures + i, k, P);
        to += pictures[i].rows * pictures[i].cols;
    }
    return pixels;
}
