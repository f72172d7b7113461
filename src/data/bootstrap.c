/* Question k of draw d is number k of the draw's own random numbers (base/random.h), two from each:
 *
 *     question = floor(x count / 2^32),  x: 32 random bits
 *
 * (Efron, Bootstrap methods: another look at the jackknife, 1979; percentile intervals, paired.) */
#include "data/bootstrap.h"

#include "base/memory.h"
#include "base/random.h"

#include <math.h>
#include <stdlib.h>

/* The questions of one draw. */
static void draw_questions(int64_t *question, int64_t count, uint64_t seed, int64_t draw)
{
    uint64_t bits = 0;
    for (int64_t k = 0; k < count; k++) {
        bits = k % 2 ? bits >> 32 : random_u64(seed, (uint64_t)draw, (uint64_t)k / 2);
        question[k] = (int64_t)((bits & 0xFFFFFFFF) * (uint64_t)count >> 32);
    }
}

/* The mean of the numbers that the questions have; 0: they have none. */
static double mean_of(const double *value, const int64_t *question, int64_t count)
{
    double sum = 0;
    int64_t n = 0;
    for (int64_t k = 0; k < count; k++) {
        const double v = value[question[k]];
        if (!isnan(v)) {
            sum += v;
            n++;
        }
    }
    return n ? sum / (double)n : 0;
}

Status bootstrap_means(double *mean, const double *const *list, int lists, int64_t count, int64_t draws,
                       uint64_t seed, Error *e)
{
    int64_t *question = memory_new(count, sizeof *question, e);
    for (int64_t d = 0; d < draws && e->status == OK; d++) {
        draw_questions(question, count, seed, d);
        for (int i = 0; i < lists; i++)
            mean[i * draws + d] = mean_of(list[i], question, count);
    }
    free(question);
    return e->status;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double percentile(const double *sorted, int64_t count, double part)
{
    const double at = part * (double)(count - 1);
    const int64_t below = (int64_t)at;
    const int64_t above = below + 1 < count ? below + 1 : below;
    return sorted[below] + (at - (double)below) * (sorted[above] - sorted[below]);
}

Interval bootstrap_interval(double *value, int64_t draws)
{
    qsort(value, (size_t)draws, sizeof *value, by_value);
    return (Interval){percentile(value, draws, 0.025), percentile(value, draws, 0.975)};
}
