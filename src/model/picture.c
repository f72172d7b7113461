/* Owns nothing but the way from an image file to the family's picture. */
#include "model/picture.h"

#include "model/family.h"

#include <stdlib.h>

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
