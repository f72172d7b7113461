/* The kernels of low-rank factors (lora.c), which linear.c and cross_entropy.c add to their products. */
#ifndef MPA_LAYER_LORA_H
#define MPA_LAYER_LORA_H

#include "tensor/run.h"

/* u[N,R] = scale * dropout(x[N,I]) A^T, y[N,O] += u B^T. Row n of x is row first + n of the whole product,
 * which decides what dropout leaves out. A failure stays in the run. */
void lora_fwd(Run *run, float *y, float *u, const Lora *l, const float *x, int64_t first, int64_t N);
/* du = scale * dy B,  dB += dy^T u,  dA += du^T dropout(x),  dx += dropout's mask * (du A). dx may be
 * NULL; x too, where nobody wants the gradients of A and B. */
void lora_bwd(Run *run, float *dx, const Lora *l, const float *dy, const float *x, const float *u,
              int64_t first, int64_t N);
bool lora_wants_grad(const Lora *l); /* false for NULL */
/* x[count] = what dropout makes of it, from element `first` of the product's input on: an element stays,
 * divided by 1 - dropout, or becomes 0. */
void lora_dropout(float *x, const Lora *l, const DropoutKey *key, int64_t first, int64_t count);

#endif
