/* A long list of questions answered in groups, each kept in a journal as soon as it is done:
 * NAME.journal.jsonl in the run folder.
 *
 * Groups are fixed by index, so a list that was interrupted computes the same groups as one that
 * was not. The first line says what the answers depend on; then comes one line per group,
 * {"first": index, "texts": [...]}. */
#ifndef MPA_JOB_JOURNAL_H
#define MPA_JOB_JOURNAL_H

#include "job/job.h"
#include "job/questions.h"

/* How the groups are answered. `who` is handed to each function. */
typedef struct {
    void *who;
    /* Puts into `head`, as strings, what must be the same for old answers to stay true. */
    Status (*describe)(void *who, json_t *head, Error *e);
    /* Called once, before the first group that is not in the journal. *batch: the size of the
     * groups that the journal has; 0: there is none yet, and one is chosen for questions like q. */
    Status (*begin)(void *who, const Question *q, int64_t *batch, Error *e);
    /* texts[count], zeroed: the answers to questions first .. first + count - 1, owned by the
     * caller. */
    Status (*answer)(void *who, const Question *questions, int64_t first, int64_t count, char **texts,
                     Error *e);
} GroupWork;

/* Answers all questions: texts[q->count], zeroed by the caller, each owned by it. Goes on where the
 * journal ends. BAD_USAGE: the journal belongs to other questions, settings or another model.
 * INTERRUPTED: between two groups. The journal stays until journal_remove. */
Status journal_run(const Job *j, const char *name, const Questions *q, const GroupWork *work, char **texts,
                   Error *e);
/* After the stage file is written the journal is no longer needed. */
Status journal_remove(const Job *j, const char *name, Error *e);

#endif
