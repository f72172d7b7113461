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
/* VQA accuracy (TextVQA, OK-VQA) as lmms-eval computes it: each label is left out in turn; the mean of
 * min(1, other labels that match / 3). So fewer than four labels cannot give 1, and one label gives 0. */
Score metric_vqa;
/* The same by VQA's own evaluation, which compares texts as they are where all labels agree. */
Score metric_vqa_2015;
/* Average normalised Levenshtein similarity (ST-VQA): the best of 1 - distance / longer length; 0
 * if that is below 0.5. */
Score metric_anls;
/* Relaxed accuracy (ChartQA): numbers within 5 %, other answers equal but for case. */
Score metric_relaxed;

/* The most frequent of the answers, the first of equals; "" for none. Borrowed. */
const char *most_frequent(const json_t *answers);

#endif
