/* Pillow's Image.resize for 8-bit RGB, bit for bit: one pass along each axis whose size changes, rows
 * first, each rounded to 8 bits.
 *
 *   s = in / out, f = max(s, 1), c = (x + 1/2) s: output x is the sum over |j + 1/2 - c| < R f of
 *   in[j] w_j,  w_j ~ filter((j + 1/2 - c) / f), sum w = 1
 *
 * with R = 2 (bicubic) or 3 (Lanczos) and w as integers of 22 fractional bits. w is computed in
 * Pillow's order of floating-point operations (src/libImaging/Resample.c). */
#include "image/image.h"

#include "base/elementary.h"
#include "base/memory.h"
#include "base/number.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FRACTION_BITS = 22 };

/* The weights of one axis: output x is the sum over k < count[x] of in[first[x] + k] times
 * weight[x * max + k]. */
typedef struct {
    int64_t max;            /* of count */
    int64_t *first, *count; /* [out], owned */
    int32_t *weight;        /* [out, max], owned */
} Axis;

static double bicubic(double x)
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

static double sinc(double x)
{
    if (!(fabs(x) > 0))
        return 1;
    double s, c;
    x *= 3.14159265358979323846;
    exact_sincos(x, &s, &c);
    return s / x;
}

static double lanczos(double x)
{
    return x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0;
}

static void axis_free(Axis *a)
{
    free(a->first);
    free(a->count);
    free(a->weight);
}

/* weight[count] of the output whose centre lies at c, for the inputs from `first` on. w[count] is
 * scratch. */
static void output_weights(int32_t *weight, double *w, int64_t first, int64_t count, double c, double f,
                           Filter filter)
{
    double sum = 0;
    double inverse = 1 / f;
    for (int64_t k = 0; k < count; k++) {
        double x = ((double)(k + first) - c + 0.5) * inverse;
        w[k] = filter == BICUBIC ? bicubic(x) : lanczos(x);
        sum += w[k];
    }
    for (int64_t k = 0; k < count; k++) {
        double share = fabs(sum) > 0 ? w[k] / sum : w[k];
        weight[k] = (int32_t)((share < 0 ? -0.5 : 0.5) + share * (1 << FRACTION_BITS));
    }
}

static Status axis_weights(Axis *a, int64_t in, int64_t out, Filter filter, Error *e)
{
    double s = (double)in / (double)out;
    double f = s < 1 ? 1 : s;
    double support = (filter == BICUBIC ? 2 : 3) * f;
    int64_t max = min_i64((int64_t)ceil(support) * 2 + 1, in);
    if (out > INT64_MAX / max)
        return error_set(e, NO_MEMORY, "out of memory while resizing a picture");
    double *w = memory_new(max, sizeof *w, e);
    *a = (Axis){.max = max,
                .first = memory_new(out, sizeof *a->first, e),
                .count = memory_new(out, sizeof *a->count, e),
                .weight = memory_new(out * max, sizeof *a->weight, e)};
    for (int64_t x = 0; x < out && e->status == OK; x++) {
        double c = ((double)x + 0.5) * s;
        int64_t first = max_i64((int64_t)(c - support + 0.5), 0);
        int64_t last = min_i64((int64_t)(c + support + 0.5), in);
        a->first[x] = first;
        a->count[x] = last - first;
        output_weights(a->weight + x * max, w, first, last - first, c, f, filter);
    }
    free(w);
    return e->status;
}

static const int32_t half = 1 << (FRACTION_BITS - 1);

/* A sum that began with a half, as 8 bits. */
static unsigned char round_sum(int32_t sum)
{
    if (sum < 0)
        return 0;
    sum >>= FRACTION_BITS;
    return (unsigned char)(sum > 255 ? 255 : sum);
}

/* out[height, width, 3] from in[height, from, 3] */
static void resize_rows(unsigned char *out, const unsigned char *in, const Axis *a, int64_t width,
                        int64_t from, int64_t height)
{
#pragma omp parallel for schedule(static)
    for (int64_t y = 0; y < height; y++)
        for (int64_t x = 0; x < width; x++) {
            const unsigned char *p = in + (y * from + a->first[x]) * 3;
            const int32_t *w = a->weight + x * a->max;
            int32_t r = half;
            int32_t g = half;
            int32_t b = half;
            for (int64_t k = 0; k < a->count[x]; k++) {
                r += p[3 * k] * w[k];
                g += p[3 * k + 1] * w[k];
                b += p[3 * k + 2] * w[k];
            }
            unsigned char *q = out + (y * width + x) * 3;
            q[0] = round_sum(r);
            q[1] = round_sum(g);
            q[2] = round_sum(b);
        }
}

/* out[height, samples] from in[., samples]. Goes by pieces of a row, so that the sums stay in the
 * cache. */
static void resize_columns(unsigned char *out, const unsigned char *in, const Axis *a, int64_t samples,
                           int64_t height)
{
    enum { PIECE = 192 };
#pragma omp parallel for schedule(static)
    for (int64_t y = 0; y < height; y++)
        for (int64_t i = 0; i < samples; i += PIECE) {
            int32_t sum[PIECE];
            int64_t n = min_i64(samples - i, PIECE);
            for (int64_t j = 0; j < n; j++)
                sum[j] = half;
            for (int64_t k = 0; k < a->count[y]; k++) {
                const unsigned char *p = in + (a->first[y] + k) * samples + i;
                int32_t w = a->weight[y * a->max + k];
                for (int64_t j = 0; j < n; j++)
                    sum[j] += p[j] * w;
            }
            for (int64_t j = 0; j < n; j++)
                out[y * samples + i + j] = round_sum(sum[j]);
        }
}

/* One pass along the rows: another width. */
static Status resize_width(Image *out, const Image *in, int64_t width, Filter filter, Error *e)
{
    Axis a = {0};
    image_new(out, width, in->height, e);
    if (axis_weights(&a, in->width, width, filter, e) == OK)
        resize_rows(out->data, in->data, &a, width, in->width, in->height);
    axis_free(&a);
    return e->status;
}

/* One pass along the columns: another height. */
static Status resize_height(Image *out, const Image *in, int64_t height, Filter filter, Error *e)
{
    Axis a = {0};
    image_new(out, in->width, height, e);
    if (axis_weights(&a, in->height, height, filter, e) == OK)
        resize_columns(out->data, in->data, &a, in->width * 3, height);
    axis_free(&a);
    return e->status;
}

Status image_resize(Image *out, const Image *in, int64_t width, int64_t height, Filter filter, Error *e)
{
    Image wide = {0};
    *out = (Image){0};
    if (width < 1 || height < 1 || in->width < 1 || in->height < 1)
        return error_set(e, BAD_INPUT, "a picture of %lld x %lld pixels cannot be resized to %lld x %lld",
                         (long long)in->width, (long long)in->height, (long long)width, (long long)height);
    if (width != in->width) {
        resize_width(&wide, in, width, filter, e);
        in = &wide;
    }
    if (height != in->height) {
        resize_height(out, in, height, filter, e);
    } else if (wide.data) {
        *out = wide;
        wide = (Image){0};
    } else if (image_new(out, width, height, e) == OK) {
        memcpy(out->data, in->data, (size_t)(width * height) * 3);
    }
    image_free(&wide);
    if (e->status != OK)
        image_free(out);
    return e->status;
}
