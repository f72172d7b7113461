/* How an answer is scored against the labels: the paper's accuracy and the benchmarks' own
 * metrics. Each returns 0 to 1. */
#ifndef MPA_DATA_METRICS_H
#define MPA_DATA_METRICS_H

#include "base/json.h"

/* The paper's: the most frequent label, normalised, stands in the normalised prediction. Sets
 * *score; false without memory. */
bool metric_mpa(double *score, const char *prediction, const json_t *answers, Error *e);
/* VQA accuracy (VQA, TextVQA, OK-VQA): the mean over all labels left out in turn of min(1,
 * matching labels / 3). With fewer than 4 labels: 1 if any matches. */
bool metric_vqa(double *score, const char *prediction, const json_t *answers, Error *e);
/* Average normalised Levenshtein similarity (ST-VQA): the best of 1 - distance / longer length,
 * 0 unless above 0.5. */
bool metric_anls(double *score, const char *prediction, const json_t *answers, Error *e);
/* Relaxed accuracy (ChartQA): numbers within 5 %, other answers equal but for case. */
bool metric_relaxed(double *score, const char *prediction, const json_t *answers, Error *e);

#endif
