/* A parameter of a model, as it stands in the checkpoint. */
#ifndef MPA_TENSOR_PARAM_H
#define MPA_TENSOR_PARAM_H

#include "kernel/dtype.h"

enum { MAX_DIMS = 10 };

/* The part of the model that a parameter belongs to: training has a learning rate for each, and
 * can freeze each. Merger: what joins vision to text. */
typedef enum { PART_VISION, PART_MERGER, PART_TEXT } Part;

/* data is borrowed from the file's memory map (or from `copy`) until the parameter is made
 * trainable; then it is the float32 master (dtype F32). */
typedef struct {
    const char *name; /* its Hugging Face name, the one it is saved under; borrowed from the checkpoint */
    Part part;
    int ndim;
    int64_t dim[MAX_DIMS];
    int64_t count;    /* product of dim */
    Dtype dtype;      /* of data: F32, F16 or BF16 */
    const void *data; /* [dim], aligned to its elements and in the host's byte order */
    Dtype stored;     /* type in the file */
    float *master;    /* NULL unless trainable; equal to data then; owned by the checkpoint */
    void *copy;       /* NULL, or the private copy that data points to; owned by the checkpoint */
    float *grad;      /* [count], or NULL: no gradient is wanted; owned by whoever set it */
} Param;

#endif
