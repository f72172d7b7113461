/* Steps and learning rates as transformers' Trainer counts them. */
#include "train/train.h"

#include "base/elementary.h"

#include <math.h>

int64_t train_steps(const LevelConfig *o, int64_t count)
{
    int64_t micro = (count + o->micro_batch - 1) / o->micro_batch,
            per_epoch = micro / (o->batch / o->micro_batch);
    return o->epochs * (per_epoch < 1 ? 1 : per_epoch);
}

StepPairs train_step_pairs(const LevelConfig *o, int64_t count, int64_t s)
{
    int64_t per_epoch = (count + o->batch - 1) / o->batch; /* with the leftover */
    int64_t first = s % per_epoch * o->batch;
    return (StepPairs){s / per_epoch, first, count - first < o->batch ? count - first : o->batch};
}

int64_t train_warmup(const LevelConfig *o, int64_t total)
{
    return (int64_t)ceil((double)total * o->warmup_ratio);
}

double schedule_factor(int schedule, int64_t s, int64_t warmup, int64_t total)
{
    if (s < warmup)
        return (double)s / (double)warmup;
    double part = total > warmup ? (double)(s - warmup) / (double)(total - warmup) : 0, sine, cosine;
    if (schedule == SCHEDULE_CONSTANT)
        return 1;
    if (schedule == SCHEDULE_LINEAR)
        return part < 1 ? 1 - part : 0;
    exact_sincos(3.14159265358979323846 * part, &sine, &cosine);
    return 0.5 * (1 + cosine);
}
