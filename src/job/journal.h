/* A long list of questions put to one model, in groups that are fixed by index, each kept in a
 * journal as it is done. */
#ifndef MPA_JOB_JOURNAL_H
#define MPA_JOB_JOURNAL_H

#include "job/answerer.h"
#include "job/run_folder.h"

typedef struct {
    const char *name;  /* of the journal: NAME.journal.jsonl in the run folder */
    const char *model; /* checkpoint folder */
    const Question *questions;
    int64_t count;
    int64_t max_new_tokens;
} Job;

/* The text of each answer: texts[count], owned, each owned. An interrupted job goes on where its
 * journal ends; a journal of other questions, settings or another model is refused (BAD_USAGE).
 * The journal stays until job_finish. */
Status job_run(const Stage *s, const Job *job, char ***texts, Error *e);
/* After the stage file is written: the journal is no longer needed. */
Status job_finish(const Stage *s, const char *name, Error *e);

#endif
