/* The stages of the algorithm, one row each, in their order. */
#ifndef MPA_MPA_STAGE_H
#define MPA_MPA_STAGE_H

#include "mpa/result.h"

typedef struct {
    const char *name; /* of the stage and of its command */
    /* What it leaves in the run folder, in the order of making. */
    Result first, last;
    /* The last result alone is what the stage is for: when that is there and true, it is done. Else it
     * is never done for good, and looks at each of its results. */
    bool one_result;
    /* BAD_USAGE or BAD_INPUT: what it needs from the configuration is not there. What earlier
     * stages leave is not looked for. */
    Status (*needs)(const Job *j, Error *e);
    Status (*run)(Job *j, Error *e);
    /* Whether what it writes besides its results is there too; NULL: nothing is. */
    bool (*is_whole)(const Job *j);
    /* Removes what a kill may have left between the result and the end; NULL: nothing. */
    Status (*clean)(const Job *j, Error *e);
} Stage;

extern const Stage stage_annotate, stage_identify, stage_level, stage_evaluate;
enum { STAGES = 4 };
extern const Stage *const stages[STAGES];

/* BAD_USAGE names everything that has changed since the stages' results were made, unless j->redo
 * allows to make them anew. */
Status stage_check_results(const Job *j, const Stage *const *wanted, int count, Error *e);
/* The same, and what the stages lack: said before hours are spent on the first. */
Status stage_check(const Job *j, const Stage *const *wanted, int count, Error *e);
/* Whether the configuration gives evaluation something to measure. */
bool stage_measures(const Job *j);
/* Does the stage, unless it is done. */
Status stage_run(const Stage *s, Job *j, Error *e);
/* For a stage at work: *use says whether the result that is there is taken, else it is made now. */
Status stage_use(const Stage *s, const Job *j, Result r, bool *use, Error *e);

/* BAD_USAGE where the key has no folder or its model cannot keep the limits of [image], BAD_INPUT where the
 * folder is not there. */
Status stage_needs_model(const Job *j, const char *const *folder, Error *e);
/* The checkpoint folder of MODEL_STUDENT, ...; NULL: there is none in this run. Owned. */
char *stage_model(const Job *j, int model, Error *e);

#endif
