/* Messages to the user, on standard error (progress: base/progress.h). */
#ifndef MPA_BASE_LOG_H
#define MPA_BASE_LOG_H

#include "base/error.h"

typedef struct {
    bool quiet, verbose;
    bool terminal; /* standard error is one: lines may be redrawn */
    bool colour;
    int width;      /* of the terminal, in columns */
    unsigned pause; /* seconds between two lines of progress */
} Log;

void log_init(Log *l, bool quiet, bool verbose);
void log_info(const Log *l, const char *format, ...) PRINTF_LIKE(2, 3);    /* not when quiet */
void log_detail(const Log *l, const char *format, ...) PRINTF_LIKE(2, 3);  /* only when verbose */
void log_warning(const Log *l, const char *format, ...) PRINTF_LIKE(2, 3); /* always */
void log_error(const Log *l, const Error *e);

bool output_is_terminal(void); /* standard output */

double clock_seconds(void); /* of a clock that only goes forward, from an unknown start */

#endif
