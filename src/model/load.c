/* Each layer is asked for by one name and gets all its weights: so what a layer needs is
 * registered with the optimiser and the saver in one order, weight before bias. */
#include "model/load.h"

#include <stdarg.h>
#include <stdio.h>

enum { NAME = 160 };

Linear load_linear(Checkpoint *c, int64_t out, int64_t in, bool bias, Error *e, const char *name, ...)
{
    char text[NAME];
    va_list list;
    va_start(list, name);
    vsnprintf(text, sizeof text, name, list);
    va_end(list);
    Linear l = {checkpoint_matrix(c, e, out, in, "%s.weight", text), NULL};
    if (bias)
        l.bias = checkpoint_vector(c, e, out, "%s.bias", text);
    return l;
}

LayerNorm load_layernorm(Checkpoint *c, int64_t width, double eps, Error *e, const char *name, ...)
{
    char text[NAME];
    va_list list;
    va_start(list, name);
    vsnprintf(text, sizeof text, name, list);
    va_end(list);
    LayerNorm l = {checkpoint_vector(c, e, width, "%s.weight", text), NULL, (float)eps};
    l.bias = checkpoint_vector(c, e, width, "%s.bias", text);
    return l;
}
