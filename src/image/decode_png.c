/* PNG by stb_image, after a check that the file is whole: stb_image reads neither checksums nor the end. */
#include "image/decode.h"
#include "image/decode_stb.h"

#include <string.h>

static uint32_t load_big(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* The PNG specification's CRC-32, a bit at a time with a table of 16. */
static uint32_t crc(const unsigned char *p, size_t count)
{
    static const uint32_t table[16] = {0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4, 0x4DB26158, 0x5005713C,
                                       0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C, 0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C};
    uint32_t c = 0xFFFFFFFF;
    for (size_t i = 0; i < count; i++) {
        c ^= p[i];
        c = c >> 4 ^ table[c & 15];
        c = c >> 4 ^ table[c & 15];
    }
    return ~c;
}

/* Walks the chunks; critical ones must have the right checksum, and the last must be IEND. */
static Status check_chunks(const unsigned char *bytes, size_t count, Error *e)
{
    for (size_t at = 8; count - at >= 12;) {
        size_t length = load_big(bytes + at);
        const unsigned char *type = bytes + at + 4;
        if (length > count - at - 12)
            return error_set(e, BAD_INPUT, "the picture is cut short");
        if (!(type[0] & 32) && crc(type, length + 4) != load_big(type + 4 + length))
            return error_set(e, BAD_INPUT, "the picture is damaged: chunk %.4s has a wrong checksum", (const char *)type);
        if (!memcmp(type, "IHDR", 4) && length == 13 && type[4 + 8] == 16 && type[4 + 9] == 0) /* Pillow clips it to 8 bits: all white */
            return error_set(e, BAD_INPUT, "the picture has 16 bits of grey; convert it to 8");
        if (!memcmp(type, "IEND", 4))
            return OK;
        at += 12 + length;
    }
    return error_set(e, BAD_INPUT, "the picture is cut short");
}

Status decode_png(Image *out, const unsigned char *bytes, size_t count, Error *e)
{
    Status status = check_chunks(bytes, count, e);
    return status == OK ? decode_stb(out, bytes, count, e) : status;
}
