/* A matrix as it is stored: the weights of a model, and with type F32 every other factor of a
 * product. */
#ifndef MPA_KERNEL_WEIGHT_H
#define MPA_KERNEL_WEIGHT_H

#include "kernel/dtype.h"

#include <assert.h>

typedef struct {
    const void *data; /* borrowed; in the host's byte order */
    Dtype type;
    int64_t stride;    /* elements from the start of a row to the start of the next */
    const void *scale; /* NULL: values are as stored; a type that is stored scaled will have one */
} Weight;

/* The address of an element. Every reader of values comes through here, and none of them knows a
 * scale yet. */
static inline const void *weight_at(const Weight *w, int64_t row, int64_t column)
{
    assert(!w->scale);
    return (const unsigned char *)w->data + (size_t)(row * w->stride + column) * dtype_size(w->type);
}

/* The part of w that starts at a row and a column. */
static inline Weight weight_part(const Weight *w, int64_t row, int64_t column)
{
    return (Weight){weight_at(w, row, column), w->type, w->stride, w->scale};
}

/* out[count] = the values of a row from its first on, as float32. */
static inline void weight_widen(float *out, const Weight *w, int64_t row, int64_t count)
{
    dtype_widen(out, weight_at(w, row, 0), w->type, count);
}

#endif
