/* Which pairs are kept where identify.select is not parity: the ablations. */
#ifndef MPA_MPA_SELECT_H
#define MPA_MPA_SELECT_H

#include "mpa/pairs.h"

/* Whether the student or the teacher has to answer. */
bool select_asks(const Config *c, int who);
/* The data set's own question for each picture with its most frequent label, in the place of annotations. */
Status select_labels(Pairs *p, const Config *c, Error *e);
/* Decides anew about pairs that parity has decided about. */
Status select_pairs(const Config *c, Pairs *p, Error *e);
/* Why the pair is kept or not, where that is not what the answers say; else NULL. */
const char *select_reason(const Config *c, const Pair *p);

#endif
