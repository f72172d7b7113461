/* Small pictures that stand in the page itself. */
#include "report/section.h"

#include "base/base64.h"
#include "base/number.h"

#include <stdlib.h>

enum { QUALITY = 82 }; /* of the JPEG file */

static Status shrink(Image *out, const Image *in, int64_t most, Error *e)
{
    const int64_t longer = max_i64(in->width, in->height);
    const int64_t side = min_i64(longer, most);
    if (e->status != OK)
        return e->status;
    return image_resize(out, in, max_i64(1, in->width * side / longer),
                        max_i64(1, in->height * side / longer), LANCZOS, e);
}

Status picture_small(Image *out, const PictureSource *source, const char *image, int64_t side, bool upright,
                     Error *e)
{
    Image whole = {0};
    ImageHeader header = {0};
    PictureFaults faults = {0};
    *out = (Image){0};
    char *file = image ? picture_file(source, image, &faults, e) : NULL;
    if (file && image_read(&whole, file, e) == OK) {
        if (upright && image_header(&header, file, e) == OK)
            image_turn(&whole, header.orientation, e);
        shrink(out, &whole, side, e);
    }
    picture_faults_end(&faults, source, &(Error){0});
    image_free(&whole);
    free(file);
    return e->status;
}

Status picture_element(Text *out, const Image *picture, const char *alt, Error *e)
{
    Text jpeg = {0};
    image_jpeg(&jpeg, picture, QUALITY, e);
    text_format(out, e, "<img width=\"%lld\" height=\"%lld\" loading=\"lazy\" alt=\"",
                (long long)picture->width, (long long)picture->height);
    html_clipped(out, alt, 100, e);
    text_add(out, "\" src=\"data:image/jpeg;base64,", e);
    base64_add(out, jpeg.data, jpeg.count, e);
    text_add(out, "\">", e);
    text_free(&jpeg);
    return e->status;
}

Status thumbnail(Text *out, const PictureSource *source, const char *image, bool upright, Error *e)
{
    Error why = {0};
    Image small = {0};
    picture_small(&small, source, image, THUMBNAIL, upright, &why);
    error_take_memory(e, &why);
    if (small.data && why.status == OK)
        picture_element(out, &small, image, e);
    else
        text_add(out, "<span class=\"nopicture\">the picture cannot be read</span>", e);
    image_free(&small);
    return e->status;
}
