/* Loops that every set of kernels has in the same words, and that the compiler turns into each
 * one's instructions. */
#ifndef MPA_KERNEL_KERNELS_LOOPS_H
#define MPA_KERNEL_KERNELS_LOOPS_H

#include "kernel/kernels.h"

#include <math.h>

static double square_sum(const float *x, int64_t count)
{
    enum { LANES = 16, CHUNK = 1024 };
    double all = 0;
    for (int64_t first = 0; first < count; first += CHUNK) {
        int64_t end = count - first < CHUNK ? count : first + CHUNK, i = first;
        float sum[LANES] = {0};
        for (; i + LANES <= end; i += LANES)
            for (int j = 0; j < LANES; j++)
                sum[j] += x[i + j] * x[i + j];
        for (int j = 0; i < end; i++, j++)
            sum[j] += x[i] * x[i];
        for (int j = 0; j < LANES; j++)
            all += (double)sum[j];
    }
    return all;
}

static void adamw(float *p, float *m, float *v, const float *g, int64_t count, const AdamW *o)
{
    const float scale = o->scale, b1 = o->b1, b2 = o->b2, keep = o->keep, step = o->step, root = o->root,
                epsilon = o->epsilon;
    for (int64_t i = 0; i < count; i++) {
        float gradient = g[i] * scale;
        m[i] += b1 * (gradient - m[i]);
        v[i] += b2 * (gradient * gradient - v[i]);
        p[i] = p[i] * keep - step * (m[i] / (sqrtf(v[i]) * root + epsilon));
    }
}

#endif
