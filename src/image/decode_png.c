/* PNG, as Pillow reads it. stb_image inflates the data; its own PNG reader is not used, because it
 * checks no checksums and drops the low byte where Pillow clips.
 *
 * Samples become 8 bits: 1, 2 and 4 bits of grey are spread over 0 to 255; of 16 bits the high
 * byte counts, but pure grey is clipped to 255. The low bytes of a transparent colour (tRNS
 * without a palette) are compared with the 8-bit samples. A palette's missing entries are black. */
#include "image/decode.h"

#include "base/bytes.h"
#include "base/memory.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define STBI_NO_STDIO
#include <stb/stb_image.h>

enum { GREY = 0, RGB = 2, PALETTE = 3, GREY_ALPHA = 4, RGB_ALPHA = 6 };

/* What the chunks before the data say. */
typedef struct {
    uint32_t width, height;
    int depth, colour, samples; /* bits per sample, PNG's colour type, samples per pixel */
    bool interlaced;
    bool keyed;                  /* there is a transparent colour */
    uint32_t key[3];             /* its low bytes */
    bool palette;                /* there is a palette */
    unsigned char entry[256][4]; /* of the palette: RGB and opacity */
    unsigned char *packed;       /* the compressed data, owned */
    size_t packed_size;
} Png;

/* The CRC-32 of the PNG specification, four bits at a time. */
static uint32_t checksum(const unsigned char *p, size_t count)
{
    static const uint32_t table[16] = {0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4,
                                       0x4DB26158, 0x5005713C, 0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C,
                                       0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C};
    uint32_t c = 0xFFFFFFFF;
    for (size_t i = 0; i < count; i++) {
        c ^= p[i];
        c = c >> 4 ^ table[c & 15];
        c = c >> 4 ^ table[c & 15];
    }
    return ~c;
}

static Status read_header(Png *png, const Source *s, const unsigned char *p, size_t length, Error *e)
{
    static const int samples[7] = {1, 0, 3, 1, 2, 0, 4};
    if (length < 13)
        return source_failed(s, "the PNG header is broken", e);
    png->width = load_big32(p);
    png->height = load_big32(p + 4);
    png->depth = p[8];
    png->colour = p[9];
    png->interlaced = p[12] == 1;
    png->samples = png->colour < 7 ? samples[png->colour] : 0;
    int d = png->depth;
    bool low = d == 1 || d == 2 || d == 4;
    bool known = d == 8 || (d == 16 && png->colour != PALETTE) || (low && png->samples == 1);
    if (p[11])
        return source_failed(s, "a PNG picture with an unknown filter method", e);
    if (!known || !png->samples || p[12] > 1)
        return error_set(
            e, BAD_INPUT,
            "%s: no PNG picture has %d bits per sample with colour type %d and interlace method %d", s->path,
            d, png->colour, p[12]);
    return OK;
}

static void read_palette(Png *png, const unsigned char *p, size_t length)
{
    png->palette = true;
    for (size_t i = 0; i < length / 3 && i < 256; i++)
        memcpy(png->entry[i], p + 3 * i, 3);
}

static void read_transparency(Png *png, const unsigned char *p, size_t length)
{
    if (png->colour == PALETTE)
        for (size_t i = 0; i < length && i < 256; i++)
            png->entry[i][3] = p[i];
    size_t wanted = png->colour == GREY ? 2 : png->colour == RGB ? 6 : SIZE_MAX;
    png->keyed = length >= wanted;
    for (size_t i = 0; png->keyed && i < 3; i++)
        png->key[i] = load_big16(p + (png->colour == GREY ? 0 : 2 * i)) & 255;
}

/* Appends the data of one IDAT chunk. */
static Status add_packed(Png *png, const unsigned char *p, size_t length, Error *e)
{
    unsigned char *more = memory_grow(png->packed, (int64_t)(png->packed_size + length), 1, e);
    if (!more)
        return e->status;
    memcpy(more + png->packed_size, p, length);
    png->packed = more;
    png->packed_size += length;
    return OK;
}

/* A chunk is a length, a type of four letters, its data and a checksum of type and data. */
enum { CHUNK_BYTES = 12 }; /* all but the data */

static bool is_type(const unsigned char *type, const char *wanted)
{
    return !memcmp(type, wanted, 4);
}

/* Letters, digits and underscores, as Pillow takes them. */
static bool is_chunk_name(const unsigned char *type)
{
    for (int i = 0; i < 4; i++)
        if (!(type[i] >= 'A' && type[i] <= 'Z') && !(type[i] >= 'a' && type[i] <= 'z') &&
            !(type[i] >= '0' && type[i] <= '9') && type[i] != '_')
            return false;
    return true;
}

/* One chunk; `first`: it is the first of the file. The checksums of data chunks (IDAT) are not
 * checked: the inflated data have one of their own. */
static Status read_chunk(Png *png, const Source *s, const unsigned char *type, size_t length, bool first,
                         Error *e)
{
    const unsigned char *p = type + 4;
    bool data = is_type(type, "IDAT");
    if (first != is_type(type, "IHDR"))
        return source_failed(s, "a PNG file must have one header, at its start", e);
    if (!is_chunk_name(type))
        return source_failed(s, "the PNG data are broken: a chunk without a name", e);
    if (is_type(type, "IEND"))
        return source_failed(s, "a PNG file without a picture", e);
    if (!data && checksum(type, length + 4) != load_big32(p + length))
        return error_set(e, BAD_INPUT, "%s: the PNG data are broken: chunk %.4s has a wrong checksum",
                         s->path, (const char *)type);
    if (data && png->colour == PALETTE && !png->palette)
        return source_failed(s, "a PNG picture without its palette", e);
    if (data)
        return add_packed(png, p, length, e);
    if (first)
        return read_header(png, s, p, length, e);
    if (is_type(type, "PLTE"))
        read_palette(png, p, length);
    if (is_type(type, "tRNS"))
        read_transparency(png, p, length);
    return OK;
}

/* All chunks up to the end of the picture's data. What follows them is not looked at. */
static Status read_chunks(Png *png, const Source *s, Error *e)
{
    const size_t signature = 8;
    size_t at = signature;
    for (size_t i = 0; i < 256; i++)
        png->entry[i][3] = 255;
    while (e->status == OK) {
        const unsigned char *chunk = s->data + at;
        size_t rest = s->size - at;
        if (png->packed && !(rest >= CHUNK_BYTES && is_type(chunk + 4, "IDAT")))
            break;
        if (rest < CHUNK_BYTES || load_big32(chunk) > rest - CHUNK_BYTES)
            return source_failed(s, "the PNG data are cut off", e);
        size_t length = load_big32(chunk);
        read_chunk(png, s, chunk + 4, length, at == signature, e);
        at += length + CHUNK_BYTES;
    }
    return e->status;
}

/* One of the seven interlace passes: the pixels (x0 + i dx, y0 + j dy). */
typedef struct {
    uint32_t x0, y0, dx, dy;
} Pass;

static const Pass passes[7] = {{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4},
                               {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}};
static const Pass whole = {0, 0, 1, 1};

static uint32_t steps(uint32_t size, uint32_t first, uint32_t step)
{
    return size > first ? (size - first + step - 1) / step : 0;
}

/* Bytes of one row of a pass, without the filter byte. */
static size_t row_bytes(const Png *png, const Pass *pass)
{
    return ((size_t)steps(png->width, pass->x0, pass->dx) * (size_t)(png->samples * png->depth) + 7) / 8;
}

static size_t pass_bytes(const Png *png, const Pass *pass)
{
    size_t row = row_bytes(png, pass);
    return row ? (row + 1) * steps(png->height, pass->y0, pass->dy) : 0;
}

/* Which of left, up and the corner is nearest to left + up - corner (the PNG specification, 9.4). */
static unsigned paeth(int left, int up, int corner)
{
    int a = abs(up - corner);
    int b = abs(left - corner);
    int c = abs(left + up - 2 * corner);
    return (unsigned)(a <= b && a <= c ? left : b <= c ? up : corner);
}

/* row[count] += its prediction; `up` is the row above or NULL, `step` the bytes of a pixel.
 * false: no such filter. */
static bool unfilter(unsigned char *row, const unsigned char *up, size_t count, size_t step, int filter)
{
    if (filter > 4)
        return false;
    for (size_t i = 0; i < count; i++) {
        unsigned left = i >= step ? row[i - step] : 0;
        unsigned above = up ? up[i] : 0;
        unsigned corner = up && i >= step ? up[i - step] : 0;
        unsigned guess = filter == 1   ? left
                         : filter == 2 ? above
                         : filter == 3 ? (left + above) / 2
                         : filter == 4 ? paeth((int)left, (int)above, (int)corner)
                                       : 0;
        row[i] = (unsigned char)(row[i] + guess);
    }
    return true;
}

/* Sample i of a row, as 8 bits; an index stays one. */
static unsigned sample(const Png *png, const unsigned char *row, size_t i)
{
    int d = png->depth;
    if (d == 8)
        return row[i];
    if (d == 16)
        return png->colour == GREY && row[2 * i] ? 255 : row[2 * i + (png->colour == GREY)];
    unsigned bits = (unsigned)row[i * (size_t)d / 8] >> (8 - d - (int)(i * (size_t)d % 8)) & ((1u << d) - 1);
    return png->colour == PALETTE ? bits : bits * (255 / ((1u << d) - 1));
}

static unsigned char over_white(unsigned c, unsigned a)
{
    unsigned t = c * a + 255 * (255 - a) + 128;
    return (unsigned char)(((t >> 8) + t) >> 8);
}

/* Pixel x of an unfiltered row. */
static void put_pixel(unsigned char *out, const Png *png, const unsigned char *row, size_t x)
{
    size_t first = x * (size_t)png->samples;
    unsigned v = sample(png, row, first);
    unsigned c[3] = {v, v, v};
    unsigned a = 255;
    if (png->colour == PALETTE) {
        for (int i = 0; i < 3; i++)
            c[i] = png->entry[v][i];
        a = png->entry[v][3];
    } else if (png->samples >= 3) {
        c[1] = sample(png, row, first + 1);
        c[2] = sample(png, row, first + 2);
    }
    if (png->colour == GREY_ALPHA || png->colour == RGB_ALPHA)
        a = sample(png, row, first + (size_t)png->samples - 1);
    if (png->keyed && c[0] == png->key[0] && c[1] == png->key[1] && c[2] == png->key[2])
        a = 0;
    for (int i = 0; i < 3; i++)
        out[i] = over_white(c[i], a);
}

/* Unfilters one pass in place and puts its pixels where they belong. */
static Status decode_pass(Image *out, const Png *png, const Source *s, const Pass *pass, unsigned char *raw,
                          Error *e)
{
    size_t count = row_bytes(png, pass);
    size_t step = (size_t)(png->samples * png->depth + 7) / 8;
    uint32_t columns = steps(png->width, pass->x0, pass->dx);
    uint32_t rows = count ? steps(png->height, pass->y0, pass->dy) : 0;
    const unsigned char *up = NULL;
    for (uint32_t j = 0; j < rows; j++) {
        unsigned char *row = raw + j * (count + 1) + 1; /* behind the filter byte */
        if (!unfilter(row, up, count, step, row[-1]))
            return source_failed(s, "the PNG data are broken: unknown row filter", e);
        up = row;
        size_t y = pass->y0 + (size_t)j * pass->dy;
        for (uint32_t i = 0; i < columns; i++)
            put_pixel(out->data + (y * png->width + pass->x0 + (size_t)i * pass->dx) * 3, png, row, i);
    }
    return OK;
}

/* Adler-32 (RFC 1950): a = 1 + sum of bytes, b = sum of a's, both modulo 65521. */
static uint32_t adler32(const unsigned char *p, size_t count)
{
    const size_t piece = 4096; /* so many bytes cannot overflow b */
    uint32_t a = 1;
    uint32_t b = 0;
    for (size_t i = 0; i < count; i++) {
        a += p[i];
        b += a;
        if (i % piece == piece - 1) {
            a %= 65521;
            b %= 65521;
        }
    }
    return (b % 65521) << 16 | a % 65521;
}

/* Whether the compressed data end with the checksum of the inflated ones; padding may follow it. */
static bool checksum_is_there(const Png *png, uint32_t sum)
{
    for (size_t i = png->packed_size; i >= 6; i--)
        if (load_big32(png->packed + i - 4) == sum)
            return true;
    return false;
}

/* The buffer has the exact size, so data that inflate to more than the picture fail at once. */
static Status inflate_data(unsigned char *raw, size_t count, const Png *png, const Source *s, Error *e)
{
    /* 64 million pixels of 8 bytes at most, in a file of 256 MB at most. */
    assert(count <= INT_MAX && png->packed_size <= INT_MAX);
    int got =
        stbi_zlib_decode_buffer((char *)raw, (int)count, (const char *)png->packed, (int)png->packed_size);
    if (got < 0 || (size_t)got != count || !checksum_is_there(png, adler32(raw, count)))
        return source_failed(s, "the PNG data are broken or cut off", e);
    return OK;
}

/* The chunk that starts `at`: its type, data and checksum are all there. */
static bool is_whole(const Source *s, size_t at)
{
    const size_t rest = s->size - at;
    return rest >= CHUNK_BYTES && load_big32(s->data + at) <= rest - CHUNK_BYTES;
}

/* Walks the chunks: those of the data must all be there; an eXIf chunk may stand before or behind them. */
static Status find_orientation(ImageHeader *out, const Source *s, Error *e)
{
    bool data = false;
    size_t at = 8;
    for (; is_whole(s, at); at += load_big32(s->data + at) + CHUNK_BYTES) {
        const unsigned char *type = s->data + at + 4;
        data |= is_type(type, "IDAT");
        if (is_type(type, "eXIf"))
            out->orientation = exif_orientation(type + 4, load_big32(s->data + at));
    }
    if (!data || (s->size - at >= CHUNK_BYTES && is_type(s->data + at + 4, "IDAT")))
        return source_failed(s, "the PNG data are cut off", e);
    return e->status;
}

Status png_header(ImageHeader *out, const Source *s, Error *e)
{
    Png png = {0};
    if (!is_whole(s, 8))
        return source_failed(s, "the PNG data are cut off", e);
    read_chunk(&png, s, s->data + 12, load_big32(s->data + 8), true, e);
    if (source_check_size(s, png.width, png.height, e) != OK)
        return e->status;
    *out = (ImageHeader){png.width, png.height, 1};
    return find_orientation(out, s, e);
}

Status png_decode(Image *out, const Source *s, Error *e)
{
    Png png = {0};
    size_t count = 0;
    read_chunks(&png, s, e);
    if (e->status == OK)
        source_image(out, s, png.width, png.height, e);
    const Pass *pass = png.interlaced ? passes : &whole;
    int n = e->status != OK ? 0 : png.interlaced ? 7 : 1;
    for (int i = 0; i < n; i++)
        count += pass_bytes(&png, pass + i);
    unsigned char *raw = memory_grow(NULL, (int64_t)count, 1, e);
    if (e->status == OK)
        inflate_data(raw, count, &png, s, e);
    unsigned char *at = raw;
    for (int i = 0; i < n && e->status == OK; i++) {
        decode_pass(out, &png, s, pass + i, at, e);
        at += pass_bytes(&png, pass + i);
    }
    free(raw);
    free(png.packed);
    return e->status;
}
