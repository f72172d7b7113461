/* Fitting the recipe to the number of pairs n.
 *
 * The published way sees a set of thousands of pairs once, in batches of 128: from PUBLISHED pairs on
 * auto is that. A smaller set would give a handful of updates, and below 128 pairs a single one, with
 * a rate of 0. So it is seen again until PUBLISHED samples have been seen, at most MOST_EPOCHS times,
 * in batches that shrink with the square of the number of pairs:
 *
 *   epochs   min(MOST_EPOCHS, PUBLISHED / n rounded up)
 *   batch    the power of two at or below 128 (n / PUBLISHED)^2, at least LEAST_BATCH
 *   warm-up  as many whole steps as 3 % of all are, rounded down: no update is spent on a rate of 0
 *            where there are few
 *
 * so the number of updates grows smoothly from 16 for 2048 pairs to about 500 for 100 to 500 pairs.
 * Where a user sets one of the keys, the others still follow from n. */
#include "train/fit.h"

#include "base/number.h"
#include "train/schedule.h"

enum { PUBLISHED = 2048, PUBLISHED_BATCH = 128, MOST_EPOCHS = 20, LEAST_BATCH = 4 };
static const double WARMUP = 0.03;

/* Samples per step, a multiple of micro_batch. */
static int64_t fit_batch(int64_t pairs, int64_t micro_batch)
{
    pairs = min_i64(pairs, PUBLISHED);
    const int64_t wanted = PUBLISHED_BATCH * pairs / PUBLISHED * pairs / PUBLISHED;
    int64_t batch = LEAST_BATCH;
    while (batch < PUBLISHED_BATCH && 2 * batch <= wanted)
        batch *= 2;
    return ceil_div(batch, micro_batch) * micro_batch;
}

/* The ratio whose warm-up is WARMUP of all steps rounded down; schedule_factor rounds up. */
static double fit_warmup(int64_t steps)
{
    const double warm = (double)(int64_t)(WARMUP * (double)steps);
    return warm > 0 ? (warm - 0.5) / (double)steps : 0;
}

/* The steps before the peak rate. */
static int64_t warmup_steps(const LevelConfig *o, int64_t steps)
{
    int64_t s = 0;
    while (s < steps && schedule_factor(o, s, steps) < 1)
        s++;
    return s;
}

Status fit_level(Config *c, int64_t pairs, Text *said, Error *e)
{
    const LevelConfig *l = &c->level;
    if (e->status != OK || pairs < 1 ||
        !(config_is_fitted(c, &l->epochs) || config_is_fitted(c, &l->batch) ||
          config_is_fitted(c, &l->warmup_ratio)))
        return e->status;
    config_fit(c, &l->epochs, (double)min_i64(MOST_EPOCHS, ceil_div(PUBLISHED, pairs)), e);
    config_fit(c, &l->batch, (double)fit_batch(pairs, l->micro_batch), e);
    const int64_t steps = schedule_steps(l, pairs);
    config_fit(c, &l->warmup_ratio, pairs < PUBLISHED ? fit_warmup(steps) : WARMUP, e);
    return text_format(
        said, e, "auto: %lld pairs: batch %lld, %lld epoch%s, %lld updates, warm-up %lld step%s: %s",
        (long long)pairs, (long long)l->batch, (long long)l->epochs, l->epochs == 1 ? "" : "s",
        (long long)steps, (long long)warmup_steps(l, steps), warmup_steps(l, steps) == 1 ? "" : "s",
        pairs < PUBLISHED ? "a small set is seen several times, in small batches"
                          : "the settings of 2025-10");
}

int64_t fit_updates(const LevelConfig *o, int64_t pairs)
{
    const double rate[] = {o->vision_learning_rate, o->merger_learning_rate, o->learning_rate};
    const int64_t steps = schedule_steps(o, pairs);
    double highest = 0;
    int64_t updates = 0;
    for (unsigned part = 0; part < sizeof rate / sizeof *rate; part++)
        if (!(o->freeze & 1u << part) && rate[part] > highest)
            highest = rate[part];
    for (int64_t s = 0; s < steps; s++)
        updates += highest * schedule_factor(o, s, steps) > 0;
    return updates;
}
