/* The page of a run: report.html. */
#ifndef MPA_REPORT_PAGE_H
#define MPA_REPORT_PAGE_H

#include "report/record.h"

/* Appends the page: what records[0] tells, and with more of them how these runs differ. It has no script, asks
 * the network for nothing, and holds no date and no duration, so that the same results give the same
 * bytes. */
Status page_write(Text *out, const Record *records, int count, Error *e);
/* The page of one run as report.html in its folder. */
Status page_of_run(const Job *j, Error *e);

#endif
