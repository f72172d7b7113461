/* JPEG by libjpeg-turbo (JPEG=turbo): the samples that Pillow gets. */
#include "image/decode.h"

#include "base/memory.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

typedef struct {
    struct jpeg_error_mgr base; /* first, so that the library's pointer is ours */
    jmp_buf away;
    char text[JMSG_LENGTH_MAX];
} Trouble;

/* Errors and warnings (such as a cut file) alike end the decoding. */
static void give_up(j_common_ptr c)
{
    Trouble *t = (Trouble *)(void *)c->err;
    c->err->format_message(c, t->text);
    longjmp(t->away, 1);
}

static void on_message(j_common_ptr c, int level)
{
    if (level < 0)
        give_up(c);
}

static Status decode(Image *out, struct jpeg_decompress_struct *d, Error *e)
{
    jpeg_read_header(d, TRUE);
    if (d->image_width > MAX_SIDE || d->image_height > MAX_SIDE || (int64_t)d->image_width * d->image_height > MAX_PIXELS)
        return error_set(e, BAD_INPUT, "a picture of %u x %u pixels; at most %d on a side and %d in all are read", d->image_width, d->image_height,
                         (int)MAX_SIDE, (int)MAX_PIXELS);
    if (d->num_components == 4)
        return error_set(e, BAD_INPUT, "the picture is in CMYK colours; convert it to RGB");
    d->out_color_space = JCS_RGB;
    jpeg_start_decompress(d);
    *out = (Image){d->output_width, d->output_height, memory_new((int64_t)d->output_width * d->output_height, 3, e)};
    if (!out->data)
        return NO_MEMORY;
    while (d->output_scanline < d->output_height) {
        JSAMPROW row = out->data + (size_t)d->output_scanline * d->output_width * 3;
        jpeg_read_scanlines(d, &row, 1);
    }
    jpeg_finish_decompress(d);
    return OK;
}

Status decode_jpeg(Image *out, const unsigned char *bytes, size_t count, Error *e)
{
    struct jpeg_decompress_struct d;
    Trouble trouble;
    d.err = jpeg_std_error(&trouble.base);
    trouble.base.error_exit = give_up;
    trouble.base.emit_message = on_message;
    jpeg_create_decompress(&d);
    Status status;
    if (setjmp(trouble.away)) {
        image_free(out);
        status = error_set(e, BAD_INPUT, "the picture is damaged: %s", trouble.text);
    } else {
        jpeg_mem_src(&d, bytes, (unsigned long)count);
        status = decode(out, &d, e);
    }
    jpeg_destroy_decompress(&d);
    return status;
}

const char *image_jpeg_decoder(void)
{
    return "libjpeg-turbo";
}
