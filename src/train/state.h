/* Resumable states of a training run: STATE_FOLDER/step-N/ with weights.safetensors and, written
 * last, state.json. */
#ifndef MPA_TRAIN_STATE_H
#define MPA_TRAIN_STATE_H

#include "train/adamw.h"

/* Writes the state after a->step updates, whole or not at all, and removes all but it and the
 * one before. */
Status state_save(const Optimiser *a, const TrainFiles *files, Error *e);
/* Takes up the newest whole state, if there is one, and cuts the metrics files to what they held
 * then; without one they are removed. BAD_USAGE: the state belongs to another run. */
Status state_resume(Optimiser *a, const TrainFiles *files, Error *e);

#endif
