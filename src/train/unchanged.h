/* Whether training changed a model at all. */
#ifndef MPA_TRAIN_UNCHANGED_H
#define MPA_TRAIN_UNCHANGED_H

#include "model/vlm.h"

/* *same: every parameter of the checkpoint in folder `after` has the values that it has in `before`,
 * as they are written there: a change that rounding to the written type lost is none. */
Status checkpoint_unchanged(bool *same, const char *before, const char *after, Error *e);

#endif
