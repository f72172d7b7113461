/* What fine-tuning takes, for whoever wants to know it before it starts. */
#ifndef MPA_MPA_LEVEL_H
#define MPA_MPA_LEVEL_H

#include "job/job.h"
#include "train/train.h"

/* Pixel limits of a recipe count for families that it is meant for alone. */
TrainOptions level_options(const Config *c, const Vlm *vlm);
/* Bytes of memory, the mapped weights aside. */
typedef struct {
    int64_t least; /* every block recomputed */
    int64_t used;  /* as it will be where the run may use job_memory() */
    int64_t rows;  /* tokens of an average pair, those of pictures too */
    double
        found; /* the part of the pairs whose pictures have features that later epochs find (train/features.h) */
} LevelMemory;
/* What training on `count` pairs takes, of which pairs[known] are known: by the largest of some of these.
 * Zeros after a failure. */
LevelMemory level_memory(const Job *j, const Vlm *vlm, const Question *pairs, int64_t known, int64_t count,
                         const TrainOptions *o, Error *e);

/* Bytes that are still to be written at most. */
typedef struct {
    int64_t run;     /* to the disk of the run folder */
    int64_t offload; /* to that of level.offload, where it is another one */
    int64_t largest; /* of the largest file */
} LevelDisk;
LevelDisk level_disk(const Job *j, const Vlm *vlm, Error *e);

/* The folder of the states: in the run folder, or for this run alone in level.offload. Owned by the caller. */
char *level_states(const Job *j, Error *e);

#endif
