/* Messages to the user and progress, all on standard error. */
#ifndef MPA_BASE_LOG_H
#define MPA_BASE_LOG_H

#include "base/error.h"

typedef struct {
    bool quiet, verbose;
    bool terminal; /* standard error is one: lines may be redrawn */
    bool colour;
    int width; /* of the terminal, in columns */
} Log;

void log_init(Log *l, bool quiet, bool verbose);
void log_info(const Log *l, const char *format, ...) PRINTF_LIKE(2, 3);    /* not when quiet */
void log_detail(const Log *l, const char *format, ...) PRINTF_LIKE(2, 3);  /* only when verbose */
void log_warning(const Log *l, const char *format, ...) PRINTF_LIKE(2, 3); /* always */
void log_error(const Log *l, const Error *e);

bool output_is_terminal(void); /* standard output */

double clock_seconds(void); /* of a clock that only goes forward, from an unknown start */

/* A line "done/total" with rate and time left. On a terminal it is redrawn in place; elsewhere a
 * plain line is written every 10 s, and one at the end. */
typedef struct {
    const Log *log;
    const char *label;    /* borrowed */
    int64_t total, first; /* first: how many were done before this process began */
    double start, last;   /* by clock_seconds; last: when a line was written */
} Progress;
void progress_begin(Progress *p, const Log *l, const char *label, int64_t done, int64_t total);
/* May be called often: writes a line only when it is time for one. note: a few words, or NULL. */
void progress_show(Progress *p, int64_t done, const char *note);

#endif
