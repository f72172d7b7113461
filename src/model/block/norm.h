/* The norm of a block, as data: RMSNorm, LayerNorm or none. */
#ifndef MPA_MODEL_BLOCK_NORM_H
#define MPA_MODEL_BLOCK_NORM_H

#include "layer/layer.h"
#include "tensor/checkpoint.h"

typedef enum { NORM_NONE, NORM_RMS, NORM_LAYER } NormKind;

typedef struct {
    NormKind kind;
    RmsNorm rms;     /* of kind NORM_RMS */
    LayerNorm layer; /* of kind NORM_LAYER */
} Norm;

/* NAME.weight [width] and, of a LayerNorm, NAME.bias [width]. */
Norm norm_load(Checkpoint *c, NormKind kind, int64_t width, double eps, Error *e, const char *name, ...)
    PRINTF_LIKE(6, 7);
/* x [N,D] -> [N,D]; of kind NORM_NONE x itself. *n lives as long as the tape. */
Mat *norm(Run *run, const Norm *n, Mat *x);

#endif
