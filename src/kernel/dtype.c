/* The table of number types, and conversion between float32 and the 16-bit ones by their bits:
 *   F32   sign, 8 bits of exponent (bias 127), 23 of fraction
 *   BF16  the upper half of that
 *   F16   sign, 5 bits of exponent (bias 15), 10 of fraction
 * Rounding is to nearest, ties to even, as in PyTorch. */
#include "kernel/dtype.h"

#include <string.h>

static const struct {
    const char *name;
    int bits;
} types[DTYPE_COUNT] = {
    [F64] = {"F64", 64},
    [F32] = {"F32", 32},
    [F16] = {"F16", 16},
    [BF16] = {"BF16", 16},
    [I64] = {"I64", 64},
    [I32] = {"I32", 32},
    [I16] = {"I16", 16},
    [I8] = {"I8", 8},
    [U64] = {"U64", 64},
    [U32] = {"U32", 32},
    [U16] = {"U16", 16},
    [U8] = {"U8", 8},
    [BOOL] = {"BOOL", 8},
    [F8_E4M3] = {"F8_E4M3", 8},
    [F8_E5M2] = {"F8_E5M2", 8},
    [F8_E8M0] = {"F8_E8M0", 8},
    [F8_E4M3FNUZ] = {"F8_E4M3FNUZ", 8},
    [F8_E5M2FNUZ] = {"F8_E5M2FNUZ", 8},
    [F6_E2M3] = {"F6_E2M3", 6},
    [F6_E3M2] = {"F6_E3M2", 6},
    [F4] = {"F4", 4},
    [C64] = {"C64", 64},
};

const char *dtype_name(Dtype t)
{
    return types[t].name;
}

int dtype_bits(Dtype t)
{
    return types[t].bits;
}

size_t dtype_size(Dtype t)
{
    return (size_t)types[t].bits / 8;
}

bool dtype_find(const char *name, Dtype *t)
{
    for (int i = 0; i < DTYPE_COUNT; i++)
        if (!strcmp(name, types[i].name)) {
            *t = (Dtype)i;
            return true;
        }
    return false;
}

static float from_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static uint32_t to_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

float bf16_load(uint16_t bits)
{
    return from_bits((uint32_t)bits << 16);
}

uint16_t bf16_store(float x)
{
    uint32_t bits = to_bits(x);
    if ((bits & 0x7FFFFFFF) > 0x7F800000)
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

float f16_load(uint16_t bits)
{
    uint32_t sign = (uint32_t)(bits & 0x8000) << 16;
    uint32_t exponent = bits >> 10 & 31;
    uint32_t fraction = bits & 1023;
    if (exponent == 31)
        return from_bits(sign | 0x7F800000 | fraction << 13);
    if (exponent)
        return from_bits(sign | (exponent + 112) << 23 | fraction << 13);
    float x = (float)fraction * 0x1p-24f; /* zero or subnormal */
    return sign ? -x : x;
}

uint16_t f16_store(float x)
{
    uint32_t bits = to_bits(x);
    uint32_t sign = bits >> 16 & 0x8000;
    bits &= 0x7FFFFFFF;
    if (bits > 0x7F800000)
        return (uint16_t)(sign | 0x7E00);
    if (bits >= 0x477FF000) /* rounds to infinity */
        return (uint16_t)(sign | 0x7C00);
    if (bits < 0x38800000) { /* subnormal: adding 0.5 leaves the rounded fraction in the low bits */
        float y = from_bits(bits) + 0.5f;
        return (uint16_t)(sign | (to_bits(y) - to_bits(0.5f)));
    }
    return (uint16_t)(sign | ((bits + 0xFFF + (bits >> 13 & 1) - (112u << 23)) >> 13));
}

static uint16_t load_u16(const unsigned char *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static void store_little(unsigned char *p, uint32_t v, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        p[i] = (unsigned char)(v >> 8 * i);
}

void dtype_widen(float *out, const void *in, Dtype t, int64_t count)
{
    const unsigned char *p = in;
    if (t == F32)
        memcpy(out, in, (size_t)count * sizeof *out);
    else if (t == BF16) /* a loop of its own, so that it becomes vector code */
        for (int64_t i = 0; i < count; i++)
            out[i] = bf16_load(load_u16(p + 2 * i));
    else
        for (int64_t i = 0; i < count; i++)
            out[i] = f16_load(load_u16(p + 2 * i));
}

void dtype_narrow(void *out, Dtype t, const float *in, int64_t count)
{
    unsigned char *p = out;
    for (int64_t i = 0; i < count; i++)
        if (t == F32)
            store_little(p + 4 * i, to_bits(in[i]), 4);
        else
            store_little(p + 2 * i, t == BF16 ? bf16_store(in[i]) : f16_store(in[i]), 2);
}
