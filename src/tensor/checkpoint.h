/* A checkpoint folder in the Hugging Face layout, memory-mapped: model.safetensors, or
 * model.safetensors.index.json with its shards. A family asks for each parameter by name and shape.
 * What it asked for, in that order, is what is trained, saved and counted. */
#ifndef MPA_TENSOR_CHECKPOINT_H
#define MPA_TENSOR_CHECKPOINT_H

#include "base/memory.h"
#include "tensor/safetensors.h"

typedef struct {
    char *folder;      /* owned */
    SafeTensors *file; /* [files], owned */
    int64_t files;
    struct CheckpointName *name; /* [names], sorted; every tensor of every file under its canonical name */
    int64_t names;
    bool invented; /* there are no files: what is asked for gets random values */
    bool empty;    /* none that may be read: only its size is of interest */
    Param **param; /* [params], in the order in which they were asked for; each owned */
    int64_t params, capacity;
    bool unused; /* what Param.unused becomes for them */
    Part part;   /* of the parameters that are asked for next; the family sets it */
} Checkpoint;

/* Opens the folder's safetensors files and checks the index against them. */
Status checkpoint_open(Checkpoint *c, const char *folder, Error *e);
/* Without files: every parameter that is asked for exists, in bfloat16, with random values (a
 * vector with ones). */
void checkpoint_invent(Checkpoint *c);
void checkpoint_close(Checkpoint *c);

/* Where a tensor's name starts with `from`, that becomes `to` (newer and older names of the same
 * tensor). BAD_INPUT: two tensors then have the same name. Not after a parameter was asked for. */
Status checkpoint_rename(Checkpoint *c, const char *from, const char *to, Error *e);
bool checkpoint_has(const Checkpoint *c, const char *name);

/* The parameter of that name and shape, registered when it is first asked for. NULL after a
 * failure; BAD_INPUT: it is absent, has another shape or is of no float type. Borrowed from the
 * checkpoint. */
Param *checkpoint_param(Checkpoint *c, Error *e, int ndim, const int64_t *dim, const char *format, ...)
    PRINTF_LIKE(5, 6);
/* The same for one and for two dimensions. */
Param *checkpoint_vector(Checkpoint *c, Error *e, int64_t count, const char *format, ...) PRINTF_LIKE(4, 5);
Param *checkpoint_matrix(Checkpoint *c, Error *e, int64_t rows, int64_t cols, const char *format, ...)
    PRINTF_LIKE(5, 6);

/* The tensor `name` is the same parameter as p (a tied head): it may be absent or equal.
 * BAD_INPUT: it differs. */
Status checkpoint_tied(Checkpoint *c, const char *name, Param *p, Error *e);

/* The parameter that a tensor of its files became, a tied one too; NULL: none. */
const Param *checkpoint_param_of(const Checkpoint *c, const Tensor *t);

/* BAD_INPUT names a tensor of the files that nobody asked for, unless its name ends in one of the
 * NULL-ended list `ignorable` (the family's). */
Status checkpoint_finish(const Checkpoint *c, const char *const *ignorable, Error *e);

/* Gives p a float32 master, a copy of its values that takes the map's place as its weight. */
Status checkpoint_make_trainable(Param *p, Error *e);

#endif
