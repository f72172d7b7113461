/* Measuring without labels: where there are no test questions, a part of the pictures is kept from
 * training. On the questions about them whose answers the teacher confirms, student and aligned
 * student are compared with the teacher. That is agreement, not truth. */
#ifndef MPA_MPA_HOLDOUT_H
#define MPA_MPA_HOLDOUT_H

#include "data/items.h"
#include "job/job.h"

/* The part of the pictures that is held out: evaluate.holdout; 0 where there are test questions, or
 * where there are no annotations with the teacher's answers to compare with. */
double holdout_part(const Job *j);
/* Whether the picture of this id is held out: by the id alone, so that it stays in or out whatever
 * becomes of the others. */
bool holdout_has(double part, const char *id);
/* What is scored: the labelled questions of [evaluate]; without them the questions about held-out
 * pictures that the teacher confirms, with the annotated answer. Owned: items_free, also after a
 * failure. */
Status holdout_or_questions(Items *items, const Job *j, Error *e);
/* Where their pictures are. Borrowed from the configuration. */
PictureSource holdout_pictures(const Config *c);

#endif
