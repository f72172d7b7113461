/* The 95 % intervals in scores.json. */
#ifndef MPA_MPA_INTERVALS_H
#define MPA_MPA_INTERVALS_H

#include "base/json.h"
#include "config/config.h"

/* What each question gave, by model (MODELS: a file of predictions) and metric: 0 to 1, NaN where the model
 * has no prediction; NULL: not scored. Owned: values_free. */
typedef struct {
    int64_t count;                /* of the questions */
    const char *name[MODELS + 1]; /* in scores.json; borrowed */
    double *value[MODELS + 1][METRICS];
} Values;

void values_free(Values *v);
/* Sets scores["intervals"] to {MODEL: {METRIC: [low, high]}, "gap": {METRIC: {"before": [low, high], "after": ..,
 * "gained": aligned over student, "closed": ..}}}, in the units of the scores. "gap" is there where all three
 * models were scored; "closed" is null unless the gap before is clear, its interval above 0. */
Status intervals_put(json_t *scores, const Values *v, Error *e);

#endif
