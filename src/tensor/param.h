/* A parameter of a model. */
#ifndef MPA_TENSOR_PARAM_H
#define MPA_TENSOR_PARAM_H

#include "kernel/weight.h"

enum { MAX_DIMS = 10 };

/* The part of the model that a parameter belongs to. Training has a learning rate for each part
 * and can freeze it. The merger joins vision to text. */
typedef enum { PART_VISION, PART_MERGER, PART_TEXT } Part;

/* The weight's values are borrowed from the file's memory map, or from `copy`. When the
 * parameter is made trainable, they become the float32 master. */
typedef struct {
    const char *name; /* its Hugging Face name, the one it is saved under; borrowed from the checkpoint */
    Part part;
    bool unused; /* on disk, and so saved, but no part of the computation: never trained */
    int ndim;
    int64_t dim[MAX_DIMS];
    int64_t count;     /* product of dim */
    Weight weight;     /* [dim[0], the others], F32, F16 or BF16, aligned to its elements */
    Dtype stored;      /* type in the file */
    float *master;     /* NULL unless trainable; the weight's data then; owned by the checkpoint */
    void *copy;        /* NULL, or a private copy, the weight's data; owned by the checkpoint */
    float *grad;       /* [count], or NULL: no gradient is wanted; owned by whoever set it */
    struct Lora *lora; /* NULL: none. The low-rank factors that linear.c adds to the weight */
} Param;

#endif
