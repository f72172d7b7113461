/* A checkpoint folder in the Hugging Face layout: model.safetensors, or
 * model.safetensors.index.json with its shards, memory-mapped. A family asks for each parameter
 * by name and shape; what it asked for, in that order, is what is trained, saved and counted. */
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
    bool invented; /* no files: what is asked for gets random values */
    Param **param; /* [params], in the order in which they were asked for; each owned */
    int64_t params, capacity;
    Part part; /* of the parameters that are asked for from now on; the family sets it */
} Checkpoint;

/* Opens the folder's safetensors files and checks the index against them. */
Status checkpoint_open(Checkpoint *c, const char *folder, Error *e);
/* In place of files: every parameter that is asked for exists, as bfloat16 with random values
 * (ones where it is a vector). */
void checkpoint_invent(Checkpoint *c);
void checkpoint_close(Checkpoint *c);

/* Tensors whose name starts with `from` are from now on known with `to` in its place (older and
 * newer names of the same tensor). Two that come to have the same name: BAD_INPUT. Not after a
 * parameter was asked for. */
Status checkpoint_rename(Checkpoint *c, const char *from, const char *to, Error *e);
bool checkpoint_has(const Checkpoint *c, const char *name);

/* The parameter `name` of the given shape; registered (once: asked again, the same comes back).
 * NULL, with e set (BAD_INPUT), when it is absent, has another shape or no float type; NULL at
 * once when e already holds an error. Borrowed from the checkpoint. */
Param *checkpoint_param(Checkpoint *c, Error *e, int ndim, const int64_t *dim, const char *format, ...)
    PRINTF_LIKE(5, 6);
/* Two forms for the common cases. */
Param *checkpoint_vector(Checkpoint *c, Error *e, int64_t count, const char *format, ...) PRINTF_LIKE(4, 5);
Param *checkpoint_matrix(Checkpoint *c, Error *e, int64_t rows, int64_t cols, const char *format, ...)
    PRINTF_LIKE(5, 6);

/* A tensor that is another name of parameter p (a tied head). Absent or equal to p: OK.
 * Different: BAD_INPUT. */
Status checkpoint_tied(Checkpoint *c, const char *name, const Param *p, Error *e);

/* An error that names a tensor of the files that nobody asked for, unless its name ends in one
 * of the NULL-ended `ignorable`. */
Status checkpoint_finish(const Checkpoint *c, const char *const *ignorable, Error *e);

/* Gives p a float32 master copy of its values, which replaces the map as its data. */
Status checkpoint_make_trainable(Param *p, Error *e);

#endif
