/* The stages of the algorithm, one row each, in their order. */
#ifndef MPA_MPA_STAGE_H
#define MPA_MPA_STAGE_H

#include "job/job.h"

typedef struct {
    const char *name;   /* of the stage and of its command */
    const char *result; /* what it leaves in the run folder when it is done; NULL: it is never done
                         * for good (answers that are there are used again) */
    /* BAD_USAGE or BAD_INPUT: what it needs from the configuration is not there. What earlier
     * stages leave is not looked for. */
    Status (*needs)(const Job *j, Error *e);
    Status (*run)(Job *j, Error *e);
    /* Removes what a kill may have left between the result and the end; NULL: nothing. */
    Status (*clean)(const Job *j, Error *e);
} Stage;

extern const Stage stage_annotate, stage_identify, stage_level, stage_evaluate;
enum { STAGES = 4 };
extern const Stage *const stages[STAGES];

/* Whether its result is there. */
bool stage_is_done(const Stage *s, const Job *j);
/* Does the stage, unless it is done. */
Status stage_run(const Stage *s, Job *j, Error *e);

/* BAD_USAGE where the key has no folder, BAD_INPUT where the folder is not there. */
Status stage_needs_model(const Job *j, const char *const *folder, Error *e);

#endif
