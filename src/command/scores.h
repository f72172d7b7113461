/* The table of scores at the end of a run. */
#ifndef MPA_COMMAND_SCORES_H
#define MPA_COMMAND_SCORES_H

#include "job/job.h"

/* Prints scores.json, and how many pictures were annotated and pairs kept, to standard output. */
Status scores_print(const Job *j, Error *e);

#endif
