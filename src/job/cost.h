/* What the work in a run folder costs, stage by stage: costs.jsonl, which is added to and never cut. */
#ifndef MPA_JOB_COST_H
#define MPA_JOB_COST_H

#include "job/job.h"

/* The work of one process on one stage. A zeroed one is none. */
struct Cost {
    const char *stage;
    int64_t part;             /* its number in the file, from 1 */
    double start, written;    /* by clock_seconds */
    uint64_t read_before;     /* bytes_read when it began */
    int64_t prompts, answers; /* tokens so far */
};

/* The stage begins, and with it the count of its peak memory, where the machine can start that anew. */
Status cost_begin(const Job *j, const char *stage, Error *e);
/* Tokens that models have read, and those that they have written or learned. What it cost so far is written
 * every 20 seconds: a kill loses no more. Nothing without j->cost. */
Status cost_add(const Job *j, int64_t prompts, int64_t answers, Error *e);
/* The stage is over, however it went; what hinders the last line counts where nothing else has failed. */
Status cost_end(const Job *j, Error *e);

/* What the folder's work has cost: {stage: {"seconds", "prompt_tokens", "answer_tokens", "peak_bytes", "read_bytes",
 * "threads", "parts", "cut"}}: sums over all processes that worked on the stage, but the largest peak and number
 * of threads; cut: how many of them were killed, and lack their last seconds. Under COST_ALL those of all stages.
 * Owned reference. */
#define COST_ALL "all"
json_t *cost_read(const Job *j, Error *e);

#endif
