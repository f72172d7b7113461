/* How far apart two texts of any length are. */
#ifndef MPA_DATA_DISTANCE_H
#define MPA_DATA_DISTANCE_H

#include "base/error.h"

/* Levenshtein's distance, as edit_distance: how many code points must be put in, left out or changed to
 * make b[m] of a[n]. 64 of a's rows are computed at a time. The longer of n and m after a failure. */
int64_t text_distance(const int32_t *a, int64_t n, const int32_t *b, int64_t m, Error *e);

#endif
