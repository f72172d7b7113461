/* How an answer is scored against the labels: the paper's accuracy and the benchmarks' own
 * metrics. A metric is added by a row in metrics.c and its word in the row of evaluate.metric
 * (config/keys.c). */
#ifndef MPA_DATA_METRICS_H
#define MPA_DATA_METRICS_H

#include "base/json.h"
#include "config/config.h"

/* The score, 0 to 1, of a prediction against a list of labels. 0, with e set, without memory. */
typedef double Score(const char *prediction, const json_t *answers, Error *e);

typedef struct {
    const char *name; /* in scores.json and evaluate.metric */
    Score *score;
} Metric;

extern const Metric metrics[METRICS]; /* METRIC_MPA, ... */

/* The paper's: the most frequent label, normalised, is contained in the normalised prediction. */
Score metric_mpa;
/* VQA accuracy (VQA, TextVQA, OK-VQA): each label is left out in turn; the mean of
 * min(1, matching labels / 3) over these. With fewer than 4 labels: 1 if any matches. */
Score metric_vqa;
/* Average normalised Levenshtein similarity (ST-VQA): the best of 1 - distance / longer length; 0
 * unless that is above 0.5. */
Score metric_anls;
/* Relaxed accuracy (ChartQA): numbers within 5 %, other answers equal but for case. */
Score metric_relaxed;

/* The most frequent of the answers, the first of equals; "" for none. Borrowed. */
const char *most_frequent(const json_t *answers);

#endif
