/* Training with the optimiser's moments in files (level.offload): masters and gradients alone are in memory.
 * A state has everything else already, so it is what the moments are read from and written to: each update
 * reads the state before and writes the next one. So every step is a state, and there are never more than
 * two. */
#ifndef MPA_TRAIN_OFFLOAD_H
#define MPA_TRAIN_OFFLOAD_H

#include "train/state.h"

/* optimiser_update, the same bits, with the moments of the state of a->step; w holds the new state, to be
 * ended (state_end) once the logs are written, after a failure too. After a failure the masters are of
 * neither step; the state before is whole. */
Status offload_update(Optimiser *a, const LevelConfig *o, double scale, double factor, const TrainFiles *f,
                      StateWriter *w, Error *e);

#endif
