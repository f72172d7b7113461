/* Progress of long work, on standard error. */
#ifndef MPA_BASE_PROGRESS_H
#define MPA_BASE_PROGRESS_H

#include "base/log.h"

/* A line "done/total" with rate, time left and memory. On a terminal it is redrawn in place; elsewhere
 * a plain line is written every 10 s, and one at the end. There an alarm, between progress_begin and
 * progress_end, writes the line that stands, with the seconds that have passed, where the work itself writes
 * none for as long: in one long product, in a library, on a slow disk. Of works inside each other the
 * inner one is shown. */
typedef struct Progress Progress;
struct Progress {
    const Log *log;
    const char *label; /* borrowed */
    int64_t total;     /* 0: not known */
    int64_t first;     /* how many were done before this process began */
    int64_t done;
    double part;        /* of units beyond `done` */
    double start, last; /* by clock_seconds; last: when a line was written */
    Progress *outer;    /* the work that this one is a part of */
};
void progress_begin(Progress *p, const Log *l, const char *label, int64_t done, int64_t total);
/* May be called often: writes a line only when it is time for one. note: a few words, or NULL. */
void progress_show(Progress *p, int64_t done, const char *note);
void progress_end(Progress *p);

/* How far the innermost work has got since it last said: `part` units (below 0: as before), and a few
 * words. For code far below the one that knows the work; nothing where no work is shown. Not from
 * inside a parallel loop. */
void progress_inside(double part, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
