/* The inner loops in plain C99. They are the set "plain", which ports start from and the other
 * sets are measured by; those use single functions of it for what their registers do not fit.
 * Partial sums are kept in LANES floats, chunks of CHUNK values are added up in double: the bits
 * do not depend on what instructions the compiler chooses. */
#include "kernel/scalar.h"

#include "base/number.h"

#include <string.h>

enum { LANES = 16, CHUNK = 256 };

void scalar_pack(float *out, int width, const Weight *w, int64_t rows, int64_t K)
{
    for (int64_t r = 0; r < width; r++)
        for (int64_t k = 0; k < K; k++) {
            float *to = out + k * width + r;
            *to = 0;
            if (r < rows)
                dtype_widen(to, weight_at(w, r, k), w->type, 1);
        }
}

int64_t scalar_stream_width(Dtype type, int64_t I)
{
    (void)type;
    return I;
}

void scalar_prepare(float *out, const float *x, Dtype type, int64_t I)
{
    (void)type;
    memcpy(out, x, (size_t)I * sizeof *x);
}

/* sum[LANES] += the products of one chunk. */
static void add_products(float sum[LANES], const float *a, const float *b, int64_t count)
{
    int64_t i = 0;
    for (; i + LANES <= count; i += LANES)
        for (int j = 0; j < LANES; j++)
            sum[j] += a[i + j] * b[i + j];
    for (int j = 0; i + j < count; j++)
        sum[j] += a[i + j] * b[i + j];
}

static float total(float sum[LANES])
{
    for (int width = LANES / 2; width; width /= 2)
        for (int j = 0; j < width; j++)
            sum[j] += sum[j + width];
    return sum[0];
}

void scalar_stream(float *y, int64_t ldy, const float *x, const Weight *w, int64_t N, int64_t rows, int64_t I)
{
    enum { FEW = 8 };
    float chunk[CHUNK];
    for (int64_t r = 0; r < rows; r++)
        for (int64_t n0 = 0; n0 < N; n0 += FEW) {
            const int64_t few = min_i64(N - n0, FEW);
            float sum[FEW][LANES] = {{0}};
            for (int64_t i = 0; i < I; i += CHUNK) {
                const int64_t count = min_i64(I - i, CHUNK);
                dtype_widen(chunk, weight_at(w, r, i), w->type, count);
                for (int64_t n = 0; n < few; n++)
                    add_products(sum[n], x + (n0 + n) * I + i, chunk, count);
            }
            for (int64_t n = 0; n < few; n++)
                y[(n0 + n) * ldy + r] = total(sum[n]);
        }
}

void scalar_scores(float *y, int64_t ldy, const float *q, const float *key, int64_t stride, int64_t N,
                   int64_t rows, int64_t I)
{
    scalar_stream(y, ldy, q, &(Weight){key, F32, stride, NULL}, N, rows, I);
}

void scalar_mix(float *y, int64_t ldy, const float *p, int64_t ldp, const float *v, int64_t stride, int64_t N,
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

float scalar_max(const float *x, int64_t count)
{
    float largest = x[0];
    for (int64_t i = 1; i < count; i++)
        largest = x[i] > largest ? x[i] : largest;
    return largest;
}

/* exp(x) within about one unit in the last place for -87 <= x <= 88, beyond that its value at the
 * nearer end. x = n ln 2 + r; exp(r) is a polynomial, its product with 2^n the result. */
static float exp_float(float x)
{
    /* 1.5 * 2^23: adding it rounds to an integer and leaves that in the low bits */
    const float magic = 12582912.0f;
    x = x < -87.0f ? -87.0f : x > 88.0f ? 88.0f : x;
    float t = x * 1.44269504f + magic;
    float n = t - magic;
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

double scalar_exp_sum(float *x, float shift, int64_t count)
{
    double all = 0;
    for (int64_t i = 0; i < count; i += CHUNK) {
        const int64_t end = min_i64(count, i + CHUNK);
        float sum[LANES] = {0};
        for (int64_t k = i; k < end; k++)
            x[k] = exp_float(x[k] - shift);
        for (int64_t k = i; k < end; k++)
            sum[(k - i) % LANES] += x[k];
        all += (double)total(sum);
    }
    return all;
}

void scalar_sigmoid(float *x, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        x[i] = 1 / (1 + exp_float(-x[i]));
}
