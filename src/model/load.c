/* A product is asked for by one name and gets all its weights. Invariant: the weight before the bias,
 * so that the optimiser and the saver meet them in one order. */
#include "model/load.h"

#include <stdarg.h>
#include <stdio.h>

Linear load_linear(Checkpoint *c, int64_t out, int64_t in, bool bias, Error *e, const char *name, ...)
{
    char text[160];
    va_list list;
    va_start(list, name);
    vsnprintf(text, sizeof text, name, list);
    va_end(list);
    Linear l = {checkpoint_matrix(c, e, out, in, "%s.weight", text), NULL};
    if (l.weight)
        l.weight->linear = true;
    if (bias)
        l.bias = checkpoint_vector(c, e, out, "%s.bias", text);
    return l;
}
