/* Named values of a pass: what `mpa trace` writes. */
#ifndef MPA_TENSOR_PROBE_H
#define MPA_TENSOR_PROBE_H

#include "tensor/run.h"
#include "tensor/safetensors.h"

struct Probe {
    Arena arena; /* owns everything below */
    TensorOut *tensor;
    int64_t count, capacity;
};

void probe_init(Probe *p);
void probe_free(Probe *p);
/* Keeps a copy of x under the name, with shape [batch, rows / batch, cols], or [rows, cols] for
 * batch 0. Does nothing without run->probe or when x is NULL. */
void probe_mat(Run *run, const Mat *x, int64_t batch, const char *format, ...) PRINTF_LIKE(4, 5);
/* Keeps a copy of any array: float32 or, for dtype I32, int32. */
void probe_array(Run *run, const void *data, Dtype dtype, int ndim, const int64_t *dim, const char *name);

#endif
