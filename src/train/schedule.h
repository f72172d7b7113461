/* Which samples each optimiser step learns, and how large its learning rate is: as transformers'
 * Trainer counts them. */
#ifndef MPA_TRAIN_SCHEDULE_H
#define MPA_TRAIN_SCHEDULE_H

#include "config/config.h"

/* How many optimiser steps training on `count` samples takes. */
int64_t schedule_steps(const LevelConfig *o, int64_t count);

/* The samples of one step: `count` of the epoch's order, from `first`. */
typedef struct {
    int64_t epoch; /* from 0 */
    int64_t first, count;
} StepSamples;
/* Of step s, from 0, when there are `count` samples. */
StepSamples schedule_samples(const LevelConfig *o, int64_t count, int64_t s);

/* What the peak learning rate is multiplied by in step s, 0 <= s < total: rises from 0 during
 * the warm-up, then falls or stays as o->schedule says. */
double schedule_factor(const LevelConfig *o, int64_t s, int64_t total);

#endif
