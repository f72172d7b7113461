/* Hashes of what a run reads: whether a result is still what its inputs would give. Each file is
 * read once in a process. */
#ifndef MPA_JOB_FINGERPRINT_H
#define MPA_JOB_FINGERPRINT_H

#include "job/job.h"

/* A hash as text. Owned reference. */
json_t *fingerprint_text(uint64_t hash);
/* Of a file that is only read. 0 with e set: cannot be read. */
uint64_t fingerprint_file(const Job *j, const char *path, Error *e);
/* {name: hash} of the files in a checkpoint folder that decide what the model says; a text about the
 * model does not. Owned reference; null: there is no such folder. */
json_t *fingerprint_model(const Job *j, const char *folder, Error *e);
/* Puts every key of [image], how pictures are read, into the object. */
Status fingerprint_sight(const Job *j, json_t *context, Error *e);
/* One hash of everything in `value`, which has no reals. */
uint64_t fingerprint_json(const json_t *value, Error *e);

#endif
