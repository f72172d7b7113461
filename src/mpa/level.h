/* What fine-tuning takes, for whoever wants to know it before it starts. */
#ifndef MPA_MPA_LEVEL_H
#define MPA_MPA_LEVEL_H

#include "job/job.h"
#include "train/train.h"

/* Pixel limits of a recipe count for families that it is meant for alone. */
TrainOptions level_options(const Config *c, const Vlm *vlm);
/* Bytes of memory that training on `pairs` pairs like `first` takes at least: with one micro-batch of
 * them and every block recomputed. 0 after a failure. */
int64_t level_memory(const Vlm *vlm, const Question *first, int64_t pairs, const TrainOptions *o, Error *e);
/* Bytes that are still to be written to the run folder at most; *largest: of the largest file. */
int64_t level_disk(const Job *j, const Vlm *vlm, int64_t *largest, Error *e);

#endif
