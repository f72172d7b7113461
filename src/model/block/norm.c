/* Which norm a block has is data: the formulas are in layer/rmsnorm.c and layer/layernorm.c. */
#include "model/block/norm.h"

#include <stdarg.h>
#include <stdio.h>

enum { NAME = 160 };

Norm norm_load(Checkpoint *c, NormKind kind, int64_t width, double eps, Error *e, const char *name, ...)
{
    char text[NAME];
    va_list list;
    va_start(list, name);
    vsnprintf(text, sizeof text, name, list);
    va_end(list);
    Norm n = {.kind = kind};
    if (kind == NORM_RMS) {
        n.rms = (RmsNorm){checkpoint_vector(c, e, width, "%s.weight", text), (float)eps};
    } else if (kind == NORM_LAYER) {
        n.layer = (LayerNorm){checkpoint_vector(c, e, width, "%s.weight", text), NULL, (float)eps};
        n.layer.bias = checkpoint_vector(c, e, width, "%s.bias", text);
    }
    return n;
}

Mat *norm(Run *run, const Norm *n, Mat *x)
{
    if (n->kind == NORM_NONE)
        return x;
    return n->kind == NORM_RMS ? rmsnorm(run, &n->rms, x) : layernorm(run, &n->layer, x);
}
