/* Steps and learning rates. Source: transformers' Trainer and get_scheduler.
 *
 * A step is `batch` samples in passes of `micro_batch`. The number of steps counts only the full
 * steps of an epoch, but an epoch's leftover samples are a step of their own. So a run of one
 * epoch ends before its leftover, and a run of several ends that much earlier in the last epoch.
 *
 * With W = ceil(warmup_ratio * total) steps of warm-up, the factor of step s is
 *   s < W      s / W, so the first update is 0
 *   cosine     (1 + cos(pi p)) / 2, p = (s - W) / (total - W)
 *   linear     1 - p
 *   constant   1 */
#include "train/schedule.h"

#include "base/elementary.h"
#include "base/number.h"

#include <math.h>

static const double pi = 3.14159265358979323846;

int64_t schedule_steps(const LevelConfig *o, int64_t count)
{
    int64_t passes = ceil_div(count, o->micro_batch);
    int64_t passes_per_step = o->batch / o->micro_batch;
    return o->epochs * max_i64(1, passes / passes_per_step);
}

StepSamples schedule_samples(const LevelConfig *o, int64_t count, int64_t s)
{
    int64_t per_epoch = ceil_div(count, o->batch); /* with the leftover */
    int64_t first = s % per_epoch * o->batch;
    return (StepSamples){s / per_epoch, first, min_i64(o->batch, count - first)};
}

double schedule_factor(const LevelConfig *o, int64_t s, int64_t total)
{
    int64_t warmup = (int64_t)ceil((double)total * o->warmup_ratio);
    if (s < warmup)
        return (double)s / (double)warmup;
    if (o->schedule == SCHEDULE_CONSTANT)
        return 1;
    double progress = (double)(s - warmup) / (double)(total - warmup);
    if (o->schedule == SCHEDULE_LINEAR)
        return 1 - progress;
    double sine, cosine;
    exact_sincos(pi * progress, &sine, &cosine);
    return 0.5 * (1 + cosine);
}
