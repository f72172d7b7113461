/* Small pictures that stand in the page itself. */
#include "report/section.h"

#include "base/base64.h"
#include "base/number.h"
#include "image/image.h"

#include <stdlib.h>

enum { SIDE = 240, QUALITY = 82 }; /* pixels of the longer side; of the JPEG file */

static Status shrink(Image *out, const Image *in, Error *e)
{
    const int64_t longer = max_i64(in->width, in->height);
    const int64_t side = min_i64(longer, SIDE);
    if (e->status != OK)
        return e->status;
    return image_resize(out, in, max_i64(1, in->width * side / longer),
                        max_i64(1, in->height * side / longer), LANCZOS, e);
}

Status thumbnail(Text *out, const PictureSource *source, const char *image, Error *e)
{
    Error why = {0};
    Image whole = {0};
    Image small = {0};
    Text jpeg = {0};
    PictureFaults faults = {0};
    char *file = image ? picture_file(source, image, &faults, &why) : NULL;
    if (file && image_read(&whole, file, &why) == OK) {
        shrink(&small, &whole, &why);
        image_jpeg(&jpeg, &small, QUALITY, &why);
    }
    if (why.status == NO_MEMORY)
        error_take(e, &why);
    if (jpeg.count && why.status == OK) {
        text_format(out, e, "<img width=\"%lld\" height=\"%lld\" loading=\"lazy\" alt=\"",
                    (long long)small.width, (long long)small.height);
        html_clipped(out, image, 100, e);
        text_add(out, "\" src=\"data:image/jpeg;base64,", e);
        base64_add(out, jpeg.data, jpeg.count, e);
        text_add(out, "\">", e);
    } else {
        text_add(out, "<span class=\"nopicture\">the picture cannot be read</span>", e);
    }
    picture_faults_end(&faults, source, &(Error){0});
    text_free(&jpeg);
    image_free(&small);
    image_free(&whole);
    free(file);
    return e->status;
}
