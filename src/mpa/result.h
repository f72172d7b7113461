/* Whether a result that is in the run folder may be used again, and the making of a new one. */
#ifndef MPA_MPA_RESULT_H
#define MPA_MPA_RESULT_H

#include "mpa/depends.h"

typedef enum {
    STATE_NONE,     /* there is none; work on it may have been begun */
    STATE_TRUE,     /* made of what is there now */
    STATE_BY_HAND,  /* not ours, or not as we left it: it is taken as it is */
    STATE_OUTDATED, /* an earlier stage's file has changed since: it is made anew */
    STATE_CHANGED,  /* a setting or an input has changed since: it is made anew only when asked for */
} ResultState;

/* Its state. `why` (may be NULL) receives what has changed, a line each, ended by a line end. */
ResultState result_state(const Job *j, Result r, Text *why, Error *e);
/* Whether it is there and true, or was put there by hand. */
bool result_holds(const Job *j, Result r, Error *e);

/* Takes the old result away and records what the new one is made of. *resumes (may be NULL): work of
 * the same ingredients was begun before and not ended. */
Status result_begin(const Job *j, Result r, bool *resumes, Error *e);
/* Records that the result is made, and writes it where it is a JSON file; value NULL: it is a folder
 * that is there already. */
Status result_end(const Job *j, Result r, const json_t *value, int indent, Error *e);

/* Records the hash of a result that is there and true, if a kill came before that. */
Status result_settle(const Job *j, Result r, Error *e);

#endif
