/* The inputs of a result: hashes of everything that it is made of and that is not in a key. */
#ifndef MPA_MPA_INPUTS_H
#define MPA_MPA_INPUTS_H

#include "mpa/depends.h"

/* {name: value} as in depends_now. Owned reference. */
json_t *inputs_now(const Job *j, Result r, Error *e);

#endif
