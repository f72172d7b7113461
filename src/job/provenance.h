/* What the results of a run were made of: provenance.json in the run folder, an object with an entry
 * for each result,
 *   {"made_by": {...}, "settings": {key: value}, "inputs": {name: hash, or {file: hash}}, "hash": ...}
 * `hash` is the result's own; null: work on it was begun. */
#ifndef MPA_JOB_PROVENANCE_H
#define MPA_JOB_PROVENANCE_H

#include "job/job.h"

/* The entry of a result. Owned reference; NULL: there is none, or a failure. */
json_t *provenance_read(const Job *j, const char *result, Error *e);
/* Sets the entry: made_by as of now, settings and inputs of `made_of`, and the hash, whose reference
 * is taken over. */
Status provenance_write(const Job *j, const char *result, const json_t *made_of, json_t *hash, Error *e);
/* What the program computes with, as made_by has it. Owned reference. */
json_t *provenance_made_by(const Job *j, Error *e);

#endif
