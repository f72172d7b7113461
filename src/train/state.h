/* States of a training run, from which it resumes: STATE_FOLDER/step-N/ with
 *   master.safetensors, mean.safetensors, square.safetensors   of each trained parameter, under its name
 *   state.json   step, hashes of these files, fingerprint of the run, lengths of its logs */
#ifndef MPA_TRAIN_STATE_H
#define MPA_TRAIN_STATE_H

#include "train/state_files.h"

/* The files of a run. Borrowed. */
typedef struct {
    const char *state_folder;
    const char *metrics_path, *timings_path; /* a line for each step */
    /* what must be the same to resume: data, settings, kernels */
    const char *fingerprint;
} TrainFiles;

/* Saves the state after a->step updates, whole or not at all. All states but this one and the one
 * before are removed, before it is written: so there are never more than two. */
Status state_save(const Optimiser *a, const TrainFiles *f, Error *e);
/* The same in parts: between the two the caller puts the values of each parameter in turn. state_end is
 * called after a failure too. */
Status state_begin(StateWriter *w, const Optimiser *a, const TrainFiles *f, Error *e);
Status state_end(StateWriter *w, const Optimiser *a, const TrainFiles *f, Error *e);
/* Loads the latest state that is whole and cuts metrics and timings to what they held then. There
 * is none: leaves *a as it is and empties those files. BAD_USAGE: the state has another
 * fingerprint. */
Status state_resume(Optimiser *a, const TrainFiles *f, Error *e);
/* The state of a->step, to read its moments; nothing (all of them are 0) before the first update. Owned:
 * state_files_close. */
Status state_open_moments(StateReader *r, const Optimiser *a, const TrainFiles *f, Error *e);
/* Bytes of the states that are there. */
int64_t state_bytes(const char *state_folder);
/* Removes the folder with all states. */
Status state_remove_all(const char *state_folder, Error *e);

#endif
