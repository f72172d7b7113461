/* The memory of a picture. */
#include "image/image.h"

#include "base/memory.h"

#include <stdlib.h>

Status image_new(Image *out, int64_t width, int64_t height, Error *e)
{
    *out = (Image){width, height, NULL};
    if (width > INT64_MAX / 4 / height)
        return error_set(e, NO_MEMORY, "a picture of %lld x %lld pixels is too large", (long long)width,
                         (long long)height);
    out->data = memory_grow(NULL, width * height, 3, e);
    return e->status;
}

void image_free(Image *image)
{
    free(image->data);
    *image = (Image){0};
}
