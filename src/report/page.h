/* The page of a run: report.html. */
#ifndef MPA_REPORT_PAGE_H
#define MPA_REPORT_PAGE_H

#include "report/record.h"

/* Appends the page: what records[0] tells, and with more of them how these runs differ. It has no script, asks
 * the network for nothing, and holds no date: the same results give the same bytes, but for what the work has cost
 * (record_costs). */
Status page_write(Text *out, const Record *records, int count, Error *e);
/* The page of one run as report.html in its folder, with heat maps of so many pairs; 0: of none, and no
 * model is asked for it. */
Status page_of_run(const Job *j, int64_t heat, Error *e);

/* What every page begins and ends with: its policy, its style. */
Status page_begin(Text *out, Error *e);
Status page_end(Text *out, Error *e);

/* Appends the page of the variants of a run. base: the scores.json of the run that they start from; rows:
 * ablate/table.json, next to which the page lies. */
Status ablation_write(Text *out, const json_t *base, const json_t *rows, int64_t seeds, Error *e);

#endif
