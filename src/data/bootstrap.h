/* How certain a score is: the bootstrap. The questions of a test are drawn anew from themselves, as many as
 * there are, many times; what a score does then is what it might have been with other questions. */
#ifndef MPA_DATA_BOOTSTRAP_H
#define MPA_DATA_BOOTSTRAP_H

#include "base/error.h"

enum { BOOTSTRAP_DRAWS = 10000 };

typedef struct {
    double low, high;
} Interval;

/* mean[lists][draws]: the mean of each list's numbers in each draw. The lists are of the same `count`
 * questions, and a draw takes the same questions from all: so differences of means are paired. NaN: no
 * number for the question; it does not count. The same seed gives the same draws. */
Status bootstrap_means(double *mean, const double *const *list, int lists, int64_t count, int64_t draws,
                       uint64_t seed, Error *e);
/* From the 2.5th to the 97.5th percentile, interpolated between neighbours. Sorts value[draws], draws > 0. */
Interval bootstrap_interval(double *value, int64_t draws);

#endif
