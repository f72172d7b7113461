/* level.recipe = auto: how batch, epochs and warm-up follow from the number of pairs. */
#ifndef MPA_TRAIN_FIT_H
#define MPA_TRAIN_FIT_H

#include "config/config.h"

/* Fits the keys of c->level that auto decides to `pairs`, and appends what came of it as one line,
 * "auto: 100 pairs: batch 4, 20 epochs, ...", to *said; nothing where no key is auto's to decide. */
Status fit_level(Config *c, int64_t pairs, Text *said, Error *e);

/* How many of the steps of training on `pairs` have a learning rate above 0 for some part that is
 * trained. */
int64_t fit_updates(const LevelConfig *o, int64_t pairs);
/* With fewer such updates a student is as good as untrained. */
enum { FIT_LEAST_UPDATES = 10 };

#endif
