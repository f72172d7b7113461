/* From an image file to the family's picture, and from pictures to the input of a vision tower. */
#include "model/picture.h"

#include "model/family.h"

#include <stdlib.h>
#include <string.h>

Status vlm_picture(const Vlm *vlm, Picture *out, const char *path, const PictureOptions *options, Error *e)
{
    *out = (Picture){0};
    if (e->status != OK)
        return e->status;
    Image rgb = {0};
    image_read(&rgb, path, e);
    if (e->status == OK && vlm->family->picture(vlm, out, &rgb, options, e) != OK)
        error_prefix(e, "%s", path);
    image_free(&rgb);
    return e->status;
}

void picture_free(Picture *p)
{
    free(p->pixels);
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
    pixels->constant = true;
    float *to = pixels->data;
    for (int64_t i = 0; i < count; i++) {
        int64_t values = pictures[i]->rows * pictures[i]->cols;
        memcpy(to, pictures[i]->pixels, (size_t)values * sizeof *to);
        to += values;
    }
    return pixels;
}
