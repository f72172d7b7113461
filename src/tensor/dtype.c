#include "tensor/dtype.h"

#include <string.h>

static const struct {
    const char *name;
    size_t size;
} types[DTYPE_COUNT] = {
    [F64] = {"F64", 8}, [F32] = {"F32", 4}, [F16] = {"F16", 2}, [BF16] = {"BF16", 2}, [I64] = {"I64", 8},
    [I32] = {"I32", 4}, [I16] = {"I16", 2}, [I8] = {"I8", 1},   [U8] = {"U8", 1},     [BOOL] = {"BOOL", 1},
};

const char *dtype_name(Dtype t)
{
    return types[t].name;
}

size_t dtype_size(Dtype t)
{
    return types[t].size;
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
    uint32_t sign = (uint32_t)(bits & 0x8000) << 16, exponent = bits >> 10 & 31, fraction = bits & 1023;
    if (exponent == 31)
        return from_bits(sign | 0x7F800000 | fraction << 13);
    if (exponent)
        return from_bits(sign | (exponent + 112) << 23 | fraction << 13);
    float x = (float)fraction * 0x1p-24f; /* zero or subnormal */
    return sign ? -x : x;
}

uint16_t f16_store(float x)
{
    uint32_t bits = to_bits(x), sign = bits >> 16 & 0x8000;
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

static bool host_is_little(void)
{
    const uint16_t one = 1;
    return *(const unsigned char *)&one == 1;
}

static uint16_t load_u16(const unsigned char *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static uint32_t load_little(const unsigned char *p, size_t bytes)
{
    uint32_t v = 0;
    for (size_t i = bytes; i-- > 0;)
        v = v << 8 | p[i];
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
    bool little = host_is_little();
    if (t == F32 && little)
        memcpy(out, in, (size_t)count * sizeof *out);
    else if (t == F32)
        for (int64_t i = 0; i < count; i++)
            out[i] = from_bits(load_little(p + 4 * i, 4));
    else if (t == BF16 && little) /* the loop that matters: it becomes vector code */
        for (int64_t i = 0; i < count; i++)
            out[i] = bf16_load(load_u16(p + 2 * i));
    else if (t == BF16)
        for (int64_t i = 0; i < count; i++)
            out[i] = bf16_load((uint16_t)load_little(p + 2 * i, 2));
    else
        for (int64_t i = 0; i < count; i++)
            out[i] = f16_load((uint16_t)load_little(p + 2 * i, 2));
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
