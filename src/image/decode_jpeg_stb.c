/* JPEG by stb_image (JPEG=stb): needs no library; differs from libjpeg by a few levels in some samples. */
#include "image/decode.h"
#include "image/decode_stb.h"

/* stb_image fills what is missing with grey; a whole file ends with the marker EOI, perhaps followed by padding. */
static bool has_end(const unsigned char *bytes, size_t count)
{
    for (size_t i = count; i-- > 3;)
        if (bytes[i - 1] == 0xFF && bytes[i] == 0xD9)
            return true;
    return false;
}

Status decode_jpeg(Image *out, const unsigned char *bytes, size_t count, Error *e)
{
    if (!has_end(bytes, count))
        return error_set(e, BAD_INPUT, "the picture is cut short");
    return decode_stb(out, bytes, count, e);
}

const char *image_jpeg_decoder(void)
{
    return "stb_image";
}
