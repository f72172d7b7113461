/* The training loop: collate, forward, backward, clip, AdamW, schedule, save, resume. */
#ifndef MPA_TRAIN_TRAIN_H
#define MPA_TRAIN_TRAIN_H

#include "config/config.h"
#include "model/sample.h"

/* What decides the result: [level], run.seed, and the pixel limits of pictures in training. */
typedef struct {
    LevelConfig level;
    uint64_t seed;
    PictureOptions pictures;
} TrainOptions;

typedef struct {
    const char *state_folder; /* where resumable states are kept; borrowed */
    const char *metrics_path; /* metrics.jsonl */
    const char *timings_path; /* timings.jsonl */
    /* what must be the same to resume (data, settings, kernels); another state is refused */
    const char *fingerprint;
    const volatile int *stop; /* set by a signal: finish the micro-step, save, return INTERRUPTED */
    /* after each optimiser step; may be NULL */
    void (*progress)(void *user, int64_t step, int64_t steps, double loss, int64_t tokens);
    void *user;
} TrainFiles;

/* Trains the parameters of `vlm` on pairs (questions with answer and id), in place (their masters). The order of the pairs in epoch n is
 * random_permutation of (seed, n) (base/random.h), without shuffle as they stand. Resumes from
 * the newest state in files->state_folder when there is one. The metrics files then continue
 * where the state stands. NOT_FINITE: a loss or gradient norm was not finite; no update was made
 * and the message names step and samples. */
Status train(Vlm *vlm, const Question *pairs, int64_t count, const TrainOptions *options,
             const TrainFiles *files, Error *e);
/* Optimiser steps that `train` will make. */
int64_t train_steps(const LevelConfig *o, int64_t count);
/* What step s (0-based) learns: `count` pairs of the epoch's order, from `first`. */
typedef struct {
    int64_t epoch, first, count; /* epoch from 0 */
} StepPairs;
StepPairs train_step_pairs(const LevelConfig *o, int64_t count, int64_t s);
int64_t train_warmup(const LevelConfig *o, int64_t total); /* steps in which the rate rises */
/* Removes the states of a run that is finished. */
Status train_state_remove(const char *folder, Error *e);
/* Bytes that training needs besides the mapped weights: masters, gradients, two moments, and the
 * activations of `rows` text rows of which `picture_rows` come from pictures (with block
 * recomputation when `recompute`). */
int64_t train_bytes(const Vlm *vlm, int64_t rows, int64_t picture_rows, bool recompute);
/* Learning rate factor of step s (0-based) of `total` (models.md 6.3). */
double schedule_factor(int schedule, int64_t s, int64_t warmup, int64_t total);

/* Writes the model as a complete Hugging Face checkpoint: weights (narrowed to dtype), and the
 * other files of the source folder as they are (config.json's torch_dtype follows). Atomic:
 * built beside as FOLDER.tmp, renamed. */
Status save_checkpoint(const Vlm *vlm, const char *folder, Dtype dtype, Error *e);

#endif
