/* The kept pairs as training takes them: parity.json, in the format of LLaVA's data. */
#ifndef MPA_MPA_KEPT_H
#define MPA_MPA_KEPT_H

#include "job/job.h"
#include "model/sample.h"

/* Owned: kept_free. A zeroed one is empty. */
typedef struct {
    Question *question; /* [count]: first turns, with id; the others follow by `next` */
    int64_t count;
    int64_t held; /* pairs whose pictures are held out (holdout.h) */
    Arena arena;  /* everything above, and what it points to; answers are in source */
    Json source;
} Kept;

/* Reads the run folder's pairs and finds their pictures. A pair without a picture that may be missing is
 * left out with a warning, those that are held out are counted. BAD_INPUT names the entry that has not as
 * many marks as pictures, no turns of human and gpt by turns, or a mark in an answer; FAILED: there are no
 * pairs. */
Status kept_read(Kept *k, const Job *j, Error *e);
void kept_free(Kept *k);

#endif
