/* Loops that every set has in the same words: the compiler turns them into the instructions of the
 * file that includes this one. */
#ifndef MPA_KERNEL_KERNELS_LOOPS_H
#define MPA_KERNEL_KERNELS_LOOPS_H

#include "base/number.h"
#include "kernel/kernels.h"

#include <math.h>

static double square_sum(const float *x, int64_t count)
{
    enum { LANES = 16, CHUNK = 1024 };
    double all = 0;
    for (int64_t first = 0; first < count; first += CHUNK) {
        const int64_t end = min_i64(count, first + CHUNK);
        float sum[LANES] = {0};
        int64_t i = first;
        for (; i + LANES <= end; i += LANES)
            for (int j = 0; j < LANES; j++)
                sum[j] += x[i + j] * x[i + j];
        for (int j = 0; i + j < end; j++)
            sum[j] += x[i + j] * x[i + j];
        for (int j = 0; j < LANES; j++)
            all += (double)sum[j];
    }
    return all;
}

static void adamw(float *p, float *m, float *v, const float *g, int64_t count, const AdamW *o)
{
    const AdamW a = *o; /* a copy: the loop's stores cannot change it */
    for (int64_t i = 0; i < count; i++) {
        const float gradient = g[i] * a.scale;
        m[i] += a.b1 * (gradient - m[i]);
        v[i] += a.b2 * (gradient * gradient - v[i]);
        p[i] = p[i] * a.keep - a.step * (m[i] / (sqrtf(v[i]) * a.root + a.epsilon));
    }
}

#endif
