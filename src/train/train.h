/* Fine-tuning on questions with answers. loop.c runs it; schedule.h, adamw.h, state.h, save.h and
 * estimate.h are its parts. */
#ifndef MPA_TRAIN_TRAIN_H
#define MPA_TRAIN_TRAIN_H

#include "model/sample.h"
#include "train/state.h"

/* What decides the result: [level], run.seed, how pictures are read; and `memory`, which does
 * not. */
typedef struct {
    LevelConfig level;
    uint64_t seed;
    PictureOptions pictures;
    int64_t memory; /* run.memory: bytes that the run may use; 0: what the machine has */
} TrainOptions;

/* One optimiser step that is finished. */
typedef struct {
    int64_t step, steps; /* this one, from 1, of how many */
    double loss;
    int64_t tokens; /* labels in the loss */
    int64_t bytes;  /* what the largest pass so far took, parameters and their state aside */
} TrainProgress;

/* Who follows the run. */
typedef struct {
    const volatile int *stop; /* set by a signal: save a state and return INTERRUPTED; may be NULL */
    void (*progress)(void *user, const TrainProgress *p); /* after each step; may be NULL */
    void *user;
    double (*clock)(void); /* seconds, by which states are due; NULL: clock_seconds */
} TrainWatch;

/* Trains the parameters of `vlm` in place on pairs[count], questions with answer and id. The order
 * in epoch n is random_permutation of (seed, n) (base/random.h); without level.shuffle it is the
 * order given. Resumes from the latest state in f->state_folder. Where level.save_every wants states,
 * one is saved every so many steps, every ten minutes, when it is interrupted, and after the last
 * step; with level.offload after every step; the caller removes them (state_remove_all) once the result is saved. watch may be NULL.
 *
 * NOT_FINITE: a loss or gradient norm; no update was made, the message names step and pairs.
 * INTERRUPTED: the state is saved, if level.save_every or level.offload wants states. */
Status train(Vlm *vlm, const Question *pairs, int64_t count, const TrainOptions *o, const TrainFiles *f,
             const TrainWatch *watch, Error *e);

/* Seconds that training takes. */
typedef struct {
    double first;  /* a pass, in the first epoch */
    double later;  /* the same in a later one, which finds features of frozen parts (features.h) */
    double update; /* after the last pass of a step, but for what level.offload reads and writes */
} TrainTime;

/* How long it takes, by a pass over pairs[count], which is at most a micro-batch. Nothing is written; the parameters of
 * `vlm` become trainable and change. */
Status train_time(Vlm *vlm, const Question *pairs, int64_t count, const TrainOptions *o, TrainTime *time,
                  Error *e);

#endif
