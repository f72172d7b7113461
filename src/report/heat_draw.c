/* A map as colours over its picture. A point's heat is the sum over the patches that hold it of the patch's
 * heat per area: so the sum over all points is that over all patches, also where tiles and the whole picture
 * are both seen. */
#include "report/heat.h"

#include "base/memory.h"
#include "base/number.h"
#include "config/config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The first of `count` points whose middle is at or beyond this part of the side. */
static int64_t first_point(double part, int64_t count)
{
    return max_i64(0, min_i64(count, (int64_t)ceil(part * (double)count - 0.5)));
}

/* density[h, w] += heat / area in the part of the picture from left, top to right, bottom */
static void add_patch(double *density, int64_t w, int64_t h, const double *at, double heat)
{
    const double area = (at[2] - at[0]) * (at[3] - at[1]);
    for (int64_t y = first_point(at[1], h); y < first_point(at[3], h); y++)
        for (int64_t x = first_point(at[0], w); x < first_point(at[2], w); x++)
            density[y * w + x] += heat / area;
}

enum { SIDES = 4 };

/* Reads where a frame stands, and its grid; false: that is not what we write, and is left out. */
static bool read_frame(const json_t *frame, double *at, int64_t *down, int64_t *across)
{
    const double far = 1e3; /* padding is at most as long as a picture's longer side */
    const double thin = 1e-6;
    const int64_t many = 1 << 24;
    bool good = true;
    *down = json_integer_value(json_object_get(frame, "down"));
    *across = json_integer_value(json_object_get(frame, "across"));
    for (size_t i = 0; i < SIDES; i++) {
        at[i] = json_number_value(json_array_get(json_object_get(frame, "at"), i));
        good &= fabs(at[i]) < far;
    }
    good &= at[2] - at[0] > thin && at[3] - at[1] > thin;
    good &= *down > 0 && *across > 0 && *down < many && *across < many;
    return good && (int64_t)json_array_size(json_object_get(frame, "heat")) == *down * *across;
}

static void add_frame(double *density, int64_t w, int64_t h, const json_t *frame)
{
    const double most = 1e30;
    const json_t *values = json_object_get(frame, "heat");
    double at[SIDES];
    int64_t down, across;
    if (!read_frame(frame, at, &down, &across))
        return;
    const double width = (at[2] - at[0]) / (double)across;
    const double height = (at[3] - at[1]) / (double)down;
    for (int64_t k = 0; k < down * across; k++) {
        const double heat = json_number_value(json_array_get(values, (size_t)k));
        const double left = at[0] + width * (double)(k % across);
        const double top = at[1] + height * (double)(k / across);
        const double patch[SIDES] = {left, top, left + width, top + height};
        if (fabs(heat) < most)
            add_patch(density, w, h, patch, heat);
    }
}

/* The picture in pale grey, coloured as far as `part`, -1 .. 1, is from 0. */
static void blend(unsigned char *pixel, double part)
{
    static const double for_answer[] = {230, 85, 13};
    static const double against[] = {8, 81, 156};
    const double *colour = part < 0 ? for_answer : against;
    const double grey = 0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2];
    const double pale = 255 - (255 - grey) * 0.6;
    const double strength = 0.9 * fabs(part);
    for (int c = 0; c < 3; c++)
        pixel[c] = (unsigned char)lround(pale * (1 - strength) + colour[c] * strength);
}

Status heat_draw(Image *picture, const json_t *map, Error *e)
{
    const int64_t points = picture->width * picture->height;
    const json_t *frame;
    size_t i;
    double largest = 0;
    double *density = memory_new(points, sizeof *density, e);
    if (!density)
        return e->status;
    json_array_foreach(json_object_get(map, "frames"), i, frame)
        add_frame(density, picture->width, picture->height, frame);
    for (int64_t k = 0; k < points; k++)
        largest = fmax(largest, fabs(density[k]));
    for (int64_t k = 0; k < points; k++)
        blend(picture->data + 3 * k, largest > 0 ? density[k] / largest : 0);
    free(density);
    return e->status;
}

/* Puts `in` into `out`, whose rows are as high, from column `left` on. */
static void put(Image *out, const Image *in, int64_t left)
{
    for (int64_t y = 0; y < in->height; y++)
        memcpy(out->data + (y * out->width + left) * 3, in->data + y * in->width * 3, (size_t)in->width * 3);
}

Status heat_png(Text *out, const Image *picture, const json_t *maps, Error *e)
{
    enum { GAP = 8 };
    const int64_t step = picture->width + GAP;
    Image row = {0};
    Image one = {0};
    image_new(&row, step * (1 + (int64_t)json_object_size(maps)) - GAP, picture->height, e);
    image_new(&one, picture->width, picture->height, e);
    if (e->status == OK) {
        int64_t left = step;
        memset(row.data, 255, (size_t)(row.width * row.height * 3));
        put(&row, picture, 0);
        for (size_t i = 0; i < MODELS; i++) {
            const json_t *map = json_object_get(maps, heat_model[heat_order[i]]);
            if (!map)
                continue;
            memcpy(one.data, picture->data, (size_t)(one.width * one.height * 3));
            heat_draw(&one, map, e);
            put(&row, &one, left);
            left += step;
        }
        image_png(out, &row, e);
    }
    image_free(&one);
    image_free(&row);
    return e->status;
}
