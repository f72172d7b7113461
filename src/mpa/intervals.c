/* Intervals by the bootstrap over questions, with one fixed seed: all models are drawn on the same questions,
 * so that the intervals of gaps are paired. */
#include "mpa/intervals.h"

#include "base/memory.h"
#include "data/bootstrap.h"
#include "data/metrics.h"

#include <math.h>
#include <stdlib.h>

enum { SEED = 95, DRAWS = BOOTSTRAP_DRAWS };

void values_free(Values *v)
{
    for (int model = 0; model <= MODELS; model++)
        for (int m = 0; m < METRICS; m++)
            free(v->value[model][m]);
    *v = (Values){0};
}

/* [low, high] of the numbers, which are sorted; null where an end is not finite. */
static json_t *interval(double *value, double unit)
{
    const Interval i = bootstrap_interval(value, DRAWS);
    if (!isfinite(i.low) || !isfinite(i.high))
        return json_null();
    return json_pack("[f, f]", unit * i.low, unit * i.high);
}

/* The draws of the three models by one metric become those of the gap. scratch[DRAWS]. */
static json_t *gap_intervals(double *const mean[MODELS], double *scratch, Error *e)
{
    const double *student = mean[MODEL_STUDENT];
    const double *aligned = mean[MODEL_ALIGNED];
    const double *teacher = mean[MODEL_TEACHER];
    json_t *gap = json_object();
    for (int d = 0; d < DRAWS; d++)
        scratch[d] = teacher[d] - student[d];
    const bool clear = bootstrap_interval(scratch, DRAWS).low > 0;
    json_put(gap, "before", interval(scratch, 100), e);
    for (int d = 0; d < DRAWS; d++)
        scratch[d] = teacher[d] - aligned[d];
    json_put(gap, "after", interval(scratch, 100), e);
    for (int d = 0; d < DRAWS; d++)
        scratch[d] = aligned[d] - student[d];
    json_put(gap, "gained", interval(scratch, 100), e);
    for (int d = 0; d < DRAWS; d++) {
        const double before = teacher[d] - student[d];
        scratch[d] = before > 0 || before < 0 ? (aligned[d] - student[d]) / before : -INFINITY;
    }
    json_put(gap, "closed", clear ? interval(scratch, 1) : json_null(), e);
    return gap;
}

/* Adds what one metric gives: each model's interval, and the gap's. mean[MODELS + 2][DRAWS]: the last is
 * scratch. */
static void add_metric(json_t *all, json_t *gaps, const Values *v, int metric, double *mean, Error *e)
{
    const double *list[MODELS + 1];
    double *draws[MODELS + 1] = {NULL};
    int lists = 0;
    for (int model = 0; model <= MODELS; model++)
        if (v->value[model][metric]) {
            list[lists] = v->value[model][metric];
            draws[model] = mean + lists * DRAWS;
            lists++;
        }
    bootstrap_means(mean, list, lists, v->count, DRAWS, SEED, e);
    if (e->status == OK && draws[MODEL_STUDENT] && draws[MODEL_ALIGNED] && draws[MODEL_TEACHER])
        json_put(gaps, metrics[metric].name, gap_intervals(draws, mean + (MODELS + 1) * DRAWS, e), e);
    for (int model = 0; model <= MODELS && e->status == OK; model++) {
        json_t *o = json_object_get(all, v->name[model]);
        if (!draws[model])
            continue;
        if (!o) {
            o = json_object();
            json_put(all, v->name[model], o, e);
        }
        json_put(o, metrics[metric].name, interval(draws[model], 100), e);
    }
}

Status intervals_put(json_t *scores, const Values *v, Error *e)
{
    json_t *all = json_object();
    json_t *gaps = json_object();
    double *mean = memory_new((MODELS + 2) * DRAWS, sizeof *mean, e);
    for (int m = 0; m < METRICS && e->status == OK; m++)
        add_metric(all, gaps, v, m, mean, e);
    if (json_object_size(gaps))
        json_put(all, "gap", json_incref(gaps), e);
    json_put(scores, "intervals", all, e);
    json_decref(gaps);
    free(mean);
    return e->status;
}
