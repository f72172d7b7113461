/* The number types of stored tensors, and conversion to and from float32. */
#ifndef MPA_KERNEL_DTYPE_H
#define MPA_KERNEL_DTYPE_H

#include "base/error.h"

/* The types of the safetensors format. Models and traces hold F32, F16, BF16 and I32. The others
 * are known so that a file that has them can be opened. */
typedef enum {
    F32,
    F64,
    F16,
    BF16,
    I64,
    I32,
    I16,
    I8,
    U64,
    U32,
    U16,
    U8,
    BOOL,
    F8_E4M3,
    F8_E5M2,
    F8_E8M0,
    F8_E4M3FNUZ,
    F8_E5M2FNUZ,
    F6_E2M3,
    F6_E3M2,
    F4,
    C64,
    DTYPE_COUNT
} Dtype;

const char *dtype_name(Dtype t);             /* "F32", ... as in safetensors */
bool dtype_find(const char *name, Dtype *t); /* false: unknown */
int dtype_bits(Dtype t);                     /* of one element */
size_t dtype_size(Dtype t);                  /* whole bytes of one element: 0 for F6 and F4 */

float bf16_load(uint16_t bits);
uint16_t bf16_store(float x); /* nearest, ties to even; NaN stays NaN */
float f16_load(uint16_t bits);
uint16_t f16_store(float x);

/* out[count] = in[count] as float32, from type t (F32, F16 or BF16) in the host's byte order. `in`
 * need not be aligned. */
void dtype_widen(float *out, const void *in, Dtype t, int64_t count);
/* out[count] = in[count] as type t (F32, F16 or BF16), little-endian as in files. `out` need not be
 * aligned. */
void dtype_narrow(void *out, Dtype t, const float *in, int64_t count);

#endif
