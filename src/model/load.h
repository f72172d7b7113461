/* Products by the names of their weights on disk. */
#ifndef MPA_MODEL_LOAD_H
#define MPA_MODEL_LOAD_H

#include "layer/layer.h"
#include "tensor/checkpoint.h"

/* NAME.weight [out, in] and, with `bias`, NAME.bias [out]. */
Linear load_linear(Checkpoint *c, int64_t out, int64_t in, bool bias, Error *e, const char *name, ...)
    PRINTF_LIKE(6, 7);

#endif
