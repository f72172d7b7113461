/* What frozen parts make of pictures, kept from one epoch to the next.
 *
 * Where vision and merger are frozen (adapters of the text model, level.freeze = vision, merger), the rows that replace a
 * picture's tokens are the same in every epoch. The first epoch computes them, later ones find them. They are made picture
 * by picture (vlm_features), kept or not, so the bits do not depend on what was kept: a resumed run, and one with less
 * memory, computes what is missing. */
#ifndef MPA_TRAIN_FEATURES_H
#define MPA_TRAIN_FEATURES_H

#include "model/sample.h"

typedef struct {
    float **pair; /* [count]: the rows of all pictures of a pair, one after another; NULL: not kept; owned */
    int64_t count;
    int64_t bytes; /* of all that is kept */
} Features;

/* For so many pairs, none of them kept. Owned: features_free. */
Status features_init(Features *f, int64_t count, Error *e);
void features_free(Features *f);
/* Gives what is kept back. */
void features_forget(Features *f);

/* Points the pictures, those of a sample of this pair, to their features. Where nothing of them is kept, they are computed,
 * and kept if that takes at most `room` bytes; else they are memory of the run. */
Status features_use(Features *f, Run *run, const Vlm *vlm, int64_t pair, Picture *pictures, int64_t count,
                    int64_t room);

#endif
