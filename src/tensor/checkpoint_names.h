/* The names of a checkpoint's tensors, which checkpoint.c and checkpoint_param.c share. */
#ifndef MPA_TENSOR_CHECKPOINT_NAMES_H
#define MPA_TENSOR_CHECKPOINT_NAMES_H

#include "tensor/checkpoint.h"

/* A tensor of one of the files, under the name by which it is asked for. */
struct CheckpointName {
    char *name; /* owned */
    const Tensor *tensor;
    const char *path; /* of its file; borrowed */
    Param *param;     /* NULL, or what it was registered as; borrowed */
    bool used;        /* asked for, also as a tied tensor */
};

typedef struct CheckpointName Name;

/* The tensor of that name, or NULL. Borrowed from the checkpoint. */
Name *checkpoint_find(const Checkpoint *c, const char *name);

#endif
