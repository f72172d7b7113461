/* What others need of the pseudo annotator. */
#ifndef MPA_MPA_ANNOTATE_H
#define MPA_MPA_ANNOTATE_H

#include "job/job.h"

/* Appends the instruction to the annotator: of the file annotate.prompt, or the task's. */
Status annotate_prompt(const Job *j, Text *out, Error *e);

#endif
