/* The set of kernels in plain C99: for ports, and the measure of the others. */
#include "kernel/kernels_loops.h"

#include <string.h>

enum { LANES = 16, CHUNK = 256 };

void plain_pack(float *out, int width, const Weight *w, int64_t rows, int64_t K)
{
    for (int64_t r = 0; r < width; r++)
        for (int64_t k = 0; k < K; k++) {
            float *to = out + k * width + r;
            *to = 0;
            if (r < rows)
                dtype_widen(to, weight_at(w, r, k), w->type, 1);
        }
}

static int64_t stream_width(Dtype type, int64_t I)
{
    (void)type;
    return I;
}

static void prepare(float *out, const float *x, Dtype type, int64_t I)
{
    (void)type;
    memcpy(out, x, (size_t)I * sizeof *x);
}

/* The products of one chunk, added to LANES partial sums. */
static void add_products(float sum[LANES], const float *a, const float *b, int64_t count)
{
    int64_t i = 0;
    for (; i + LANES <= count; i += LANES)
        for (int j = 0; j < LANES; j++)
            sum[j] += a[i + j] * b[i + j];
    for (int j = 0; i < count; i++, j++)
        sum[j] += a[i] * b[i];
}

static float total(float sum[LANES])
{
    for (int width = LANES / 2; width; width /= 2)
        for (int j = 0; j < width; j++)
            sum[j] += sum[j + width];
    return sum[0];
}

static void stream(float *y, int64_t ldy, const float *x, const Weight *w, int64_t N, int64_t rows, int64_t I)
{
    enum { FEW = 8 };
    float chunk[CHUNK];
    for (int64_t r = 0; r < rows; r++)
        for (int64_t n0 = 0; n0 < N; n0 += FEW) {
            int64_t few = N - n0 < FEW ? N - n0 : FEW;
            float sum[FEW][LANES] = {{0}};
            for (int64_t i = 0; i < I; i += CHUNK) {
                int64_t count = I - i < CHUNK ? I - i : CHUNK;
                dtype_widen(chunk, weight_at(w, r, i), w->type, count);
                for (int64_t n = 0; n < few; n++)
                    add_products(sum[n], x + (n0 + n) * I + i, chunk, count);
            }
            for (int64_t n = 0; n < few; n++)
                y[(n0 + n) * ldy + r] = total(sum[n]);
        }
}

static void scores(float *y, int64_t ldy, const float *q, const float *key, int64_t stride, int64_t N,
                   int64_t rows, int64_t I)
{
    stream(y, ldy, q, &(Weight){key, F32, stride, NULL}, N, rows, I);
}

static void mix(float *y, int64_t ldy, const float *p, int64_t ldp, const float *v, int64_t stride, int64_t N,
                int64_t K, int64_t I)
{
    for (int64_t n = 0; n < N; n++)
        for (int64_t i = 0; i < I; i++) {
            double sum = 0;
            for (int64_t k = 0; k < K; k++)
                sum += (double)p[n * ldp + k] * (double)v[k * stride + i];
            y[n * ldy + i] = (float)sum;
        }
}

static float most(const float *x, int64_t count)
{
    float largest = x[0];
    for (int64_t i = 1; i < count; i++)
        largest = x[i] > largest ? x[i] : largest;
    return largest;
}

/* exp(x) for -87 <= x <= 88 within about one unit of the last place: x = n ln 2 + r, exp(r) by a
 * polynomial, times 2^n. Below and above: as at the ends. */
static float exp_float(float x)
{
    /* 1.5 * 2^23: adding it rounds to an integer, which then stands in the low bits */
    const float magic = 12582912.0f;
    x = x < -87.0f ? -87.0f : x > 88.0f ? 88.0f : x;
    float t = x * 1.44269504f + magic, n = t - magic;
    float r = x - n * 0.693359375f + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1;
    uint32_t bits; /* unsigned: where x is not a number, these are any bits */
    memcpy(&bits, &t, sizeof bits);
    bits = (bits - 0x4B400000 + 127) << 23;
    float scale;
    memcpy(&scale, &bits, sizeof scale);
    return p * scale;
}

static double exp_sum(float *x, float shift, int64_t count)
{
    double all = 0;
    for (int64_t i = 0; i < count; i += CHUNK) {
        int64_t end = count - i < CHUNK ? count : i + CHUNK;
        float sum[LANES] = {0};
        for (int64_t k = i; k < end; k++)
            x[k] = exp_float(x[k] - shift);
        for (int64_t k = i; k < end; k++)
            sum[(k - i) % LANES] += x[k];
        all += (double)total(sum);
    }
    return all;
}

static void sigmoid(float *x, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        x[i] = 1 / (1 + exp_float(-x[i]));
}

const Kernels kernels_plain = {
    .name = "plain",
    .widen = dtype_widen,
    .few = 8,
    .stream_width = stream_width,
    .prepare = prepare,
    .stream = stream,
    .scores = scores,
    .mix = mix,
    .most = most,
    .exp_sum = exp_sum,
    .sigmoid = sigmoid,
    .square_sum = square_sum,
    .adamw = adamw,
};
