/* Pillow's Image.resize for 8-bit RGB, bit for bit: one pass per axis whose size changes, rows
 * first, each rounded to 8 bits.
 *
 *   s = in / out, f = max(s, 1), c = (x + 1/2) s: output x is the sum over |j + 1/2 - c| < R f of
 *   in[j] w_j,  w_j ~ filter((j + 1/2 - c) / f), sum w = 1
 *
 * with w as integers of 22 fractional bits. The order of the floating-point operations that make
 * w is Pillow's (src/libImaging/Resample.c). */
#include "image/image.h"

#include "base/elementary.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FRACTION_BITS = 22 };

/* The weights of one axis: output x takes count[x] inputs from first[x] on, with weight[x * most
 * + k]. */
typedef struct {
    int64_t most;
    int64_t *first, *count; /* [out], owned */
    int32_t *weight;        /* [out, most], owned */
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

/* w[count] for the output whose centre lies at c, quantised into weight[count]; w is scratch. */
static void output_weights(int32_t *weight, double *w, int64_t first, int64_t count, double c, double f,
                           Filter filter)
{
    double sum = 0, inverse = 1 / f;
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
    double s = (double)in / (double)out, f = s < 1 ? 1 : s, support = (filter == BICUBIC ? 2 : 3) * f;
    *a = (Axis){.most = (int64_t)ceil(support) * 2 + 1};
    if (a->most > in)
        a->most = in;
    double *w = memory_new(a->most, sizeof *w, e);
    a->first = memory_new(out, sizeof *a->first, e);
    a->count = memory_new(out, sizeof *a->count, e);
    a->weight = out <= INT64_MAX / a->most ? memory_new(out * a->most, sizeof *a->weight, e) : NULL;
    bool ok = w && a->first && a->count && a->weight;
    for (int64_t x = 0; x < out && ok; x++) {
        double c = ((double)x + 0.5) * s;
        int64_t first = (int64_t)(c - support + 0.5), last = (int64_t)(c + support + 0.5);
        a->first[x] = first < 0 ? 0 : first;
        a->count[x] = (last > in ? in : last) - a->first[x];
        output_weights(a->weight + x * a->most, w, a->first[x], a->count[x], c, f, filter);
    }
    free(w);
    return ok ? OK : error_set(e, NO_MEMORY, "out of memory while resizing a picture");
}

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
            const int32_t *w = a->weight + x * a->most;
            int32_t r = 1 << (FRACTION_BITS - 1), g = r, b = r;
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

/* out[height, samples] from in[., samples]; a piece of a row at a time, so that the sums stay in
 * the cache */
static void resize_columns(unsigned char *out, const unsigned char *in, const Axis *a, int64_t samples,
                           int64_t height)
{
    enum { PIECE = 192 };
#pragma omp parallel for schedule(static)
    for (int64_t y = 0; y < height; y++)
        for (int64_t i = 0; i < samples; i += PIECE) {
            int32_t sum[PIECE];
            int64_t n = samples - i < PIECE ? samples - i : PIECE;
            for (int64_t j = 0; j < n; j++)
                sum[j] = 1 << (FRACTION_BITS - 1);
            for (int64_t k = 0; k < a->count[y]; k++) {
                const unsigned char *p = in + (a->first[y] + k) * samples + i;
                int32_t w = a->weight[y * a->most + k];
                for (int64_t j = 0; j < n; j++)
                    sum[j] += p[j] * w;
            }
            for (int64_t j = 0; j < n; j++)
                out[y * samples + i + j] = round_sum(sum[j]);
        }
}

static Status image_new(Image *out, int64_t width, int64_t height, Error *e)
{
    *out = (Image){width, height, NULL};
    if (width > INT64_MAX / 4 / height)
        return error_set(e, NO_MEMORY, "a picture of %lld x %lld pixels is too large", (long long)width,
                         (long long)height);
    out->data = memory_grow(NULL, width * height, 3, e);
    return out->data ? OK : NO_MEMORY;
}

/* The first pass, or the only one: another width. */
static Status resize_width(Image *out, const Image *in, int64_t width, Filter filter, Error *e)
{
    Axis a;
    Status status = image_new(out, width, in->height, e);
    if (status != OK)
        return status;
    status = axis_weights(&a, in->width, width, filter, e);
    if (status == OK)
        resize_rows(out->data, in->data, &a, width, in->width, in->height);
    axis_free(&a);
    return status;
}

static Status resize_height(Image *out, const Image *in, int64_t height, Filter filter, Error *e)
{
    Axis a;
    Status status = image_new(out, in->width, height, e);
    if (status != OK)
        return status;
    status = axis_weights(&a, in->height, height, filter, e);
    if (status == OK)
        resize_columns(out->data, in->data, &a, in->width * 3, height);
    axis_free(&a);
    return status;
}

Status image_resize(Image *out, const Image *in, int64_t width, int64_t height, Filter filter, Error *e)
{
    Image wide = {0};
    *out = (Image){0};
    if (width < 1 || height < 1 || in->width < 1 || in->height < 1)
        return error_set(e, BAD_INPUT, "a picture of %lld x %lld pixels cannot be resized to %lld x %lld",
                         (long long)in->width, (long long)in->height, (long long)width, (long long)height);
    Status status = OK;
    if (width != in->width) {
        status = resize_width(&wide, in, width, filter, e);
        in = &wide;
    }
    if (status == OK && height != in->height) {
        status = resize_height(out, in, height, filter, e);
    } else if (status == OK && wide.data) {
        *out = wide;
        wide = (Image){0};
    } else if (status == OK && (status = image_new(out, width, height, e)) == OK) {
        memcpy(out->data, in->data, (size_t)(width * height) * 3);
    }
    image_free(&wide);
    if (status != OK)
        image_free(out);
    return status;
}
