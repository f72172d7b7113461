/* The journal of a run: answers.jsonl, everything that a model was asked there and has said.
 *
 * An answer has a key: a hash of the question's text, the bytes of its pictures, and all else that
 * decides what the model says. So an answer is found again as long as it is true, whatever became
 * of the list of pictures, and never when it is not. Lines are
 *   {"stage": ..., "context": ..., "batch": ...}   how many questions a group has
 *   {"stage": ..., "answers": [{"key", "id", "text"}, ...]}   one group, written when it is done
 *
 * Groups are fixed by the place of a question in the list; those of a group that have no answer yet
 * are asked together. So a list that was interrupted computes the same groups as one that was
 * not. */
#ifndef MPA_JOB_JOURNAL_H
#define MPA_JOB_JOURNAL_H

#include "job/job.h"
#include "job/questions.h"

/* How the groups are answered. `who` is handed to each function. */
typedef struct {
    void *who;
    /* Puts into `context`, as strings and objects of strings, what an answer depends on besides the
     * question. */
    Status (*describe)(void *who, json_t *context, Error *e);
    /* Called once, before the first group that has something to ask. *batch: the size of the groups
     * as the journal has it; 0: it does not say, and one is chosen for questions like q. */
    Status (*begin)(void *who, const Question *q, int64_t *batch, Error *e);
    /* texts[count], zeroed: the answers, owned by the caller. keys[count] are different numbers. */
    Status (*answer)(void *who, const Question *questions, const uint64_t *keys, int64_t count, char **texts,
                     Error *e);
} GroupWork;

/* Answers all questions for the stage: texts[q->count], zeroed by the caller, each owned by it.
 * Each key is asked once. BAD_INPUT: the journal is damaged. INTERRUPTED: between two groups. */
Status journal_run(const Job *j, const char *stage, const Questions *q, const GroupWork *work, char **texts,
                   Error *e);

#endif
