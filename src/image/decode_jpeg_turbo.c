/* JPEG by libjpeg-turbo (JPEG=turbo): the bits that Pillow gets. As in Pillow, errors end the
 * decoding and warnings do not. */
#include "image/decode.h"

#include "base/memory.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

#include <jerror.h>

/* The library reports an error through a function that must not return. */
typedef struct {
    struct jpeg_error_mgr base; /* first, so that the library's pointer to it is one to the whole */
    jmp_buf away;
    char text[JMSG_LENGTH_MAX];
} Trouble;

static void give_up(j_common_ptr d)
{
    Trouble *t = (Trouble *)(void *)d->err;
    d->err->format_message(d, t->text);
    longjmp(t->away, 1);
}

static void be_silent(j_common_ptr d)
{
    (void)d;
}

/* Adobe's CMYK holds 255 - ink. rgb = K - K (255 - C) / 255, rounded as Pillow rounds. */
static void rgb_from_cmyk(unsigned char *rgb, const unsigned char *cmyk, int64_t width)
{
    for (int64_t x = 0; x < width; x++)
        for (int c = 0; c < 3; c++) {
            unsigned k = cmyk[4 * x + 3];
            unsigned t = (255u - cmyk[4 * x + c]) * k + 128;
            rgb[3 * x + c] = (unsigned char)(k - (((t >> 8) + t) >> 8));
        }
}

/* `row` has room for a row of four samples per pixel. */
static Status decode(Image *out, struct jpeg_decompress_struct *d, const Source *s, unsigned char *row,
                     Error *e)
{
    jpeg_mem_src(d, s->data, (unsigned long)s->size);
    jpeg_read_header(d, TRUE);
    bool cmyk = d->num_components == 4;
    d->out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
    jpeg_start_decompress(d);
    if (d->output_width != out->width || d->output_height != out->height)
        return source_failed(s, "the JPEG file holds pictures of different sizes", e);
    while (d->output_scanline < d->output_height) {
        unsigned char *line = out->data + (int64_t)d->output_scanline * out->width * 3;
        JSAMPROW into = cmyk ? row : line;
        jpeg_read_scanlines(d, &into, 1);
        if (cmyk)
            rgb_from_cmyk(line, row, out->width);
    }
    jpeg_finish_decompress(d);
    return OK;
}

Status jpeg_pixels(Image *out, const Source *s, const JpegFrame *frame, Error *e)
{
    struct jpeg_decompress_struct d = {0};
    Trouble trouble;
    (void)frame; /* the library finds it itself */
    unsigned char *row = memory_grow(NULL, out->width, 4, e);
    if (!row)
        return e->status;
    d.err = jpeg_std_error(&trouble.base);
    trouble.base.error_exit = give_up;
    trouble.base.output_message = be_silent;
    if (setjmp(trouble.away)) {
        if (trouble.base.msg_code == JERR_OUT_OF_MEMORY)
            error_set(e, NO_MEMORY, "%s: out of memory while decoding", s->path);
        else if (trouble.base.msg_code == JERR_BAD_LIB_VERSION ||
                 trouble.base.msg_code == JERR_BAD_STRUCT_SIZE) /* no fault of the picture's */
            error_set(
                e, FAILED,
                "libjpeg is not the one that mpa was built with (%s); build it again here, or with JPEG=stb",
                trouble.text);
        else
            error_set(e, BAD_INPUT, "%s: the JPEG data are broken or of a kind that is not read (%s)",
                      s->path, trouble.text);
    } else {
        jpeg_create_decompress(&d);
        decode(out, &d, s, row, e);
    }
    jpeg_destroy_decompress(&d);
    free(row);
    return e->status;
}

const char *image_jpeg_decoder(void)
{
    return "libjpeg-turbo";
}
