/* Conversions between float32 and the 16-bit types against PyTorch (ref/golden_kernel.py), for every 16-bit
 * value; the table of types. */
#include "base/memory.h"
#include "tensor/safetensors.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Element i of `size` bytes, little-endian. */
static uint32_t bits_at(const unsigned char *p, int64_t i, size_t size)
{
    uint32_t v = 0;
    for (size_t k = size; k-- > 0;)
        v = v << 8 | p[(size_t)i * size + k];
    return v;
}

static uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static bool is_nan(uint32_t bits)
{
    return (bits & 0x7FFFFFFF) > 0x7F800000;
}

static const Tensor *need(const SafeTensors *s, const char *name)
{
    const Tensor *t = safetensors_find(s, name);
    if (!t || t->count < 5000)
        fail_msg("%s: no such tensor, or too small: %s", s->path, name);
    return t;
}

/* Every value of 16 bits, all at once, through unaligned memory. */
static int check_widen(const SafeTensors *s, const char *name, Dtype type)
{
    const Tensor *want = need(s, name);
    unsigned char *host = memory_new(2 * want->count + 1, 1, &(Error){0});
    float *got = memory_new(want->count, sizeof *got, &(Error){0});
    int failed = 0;
    assert_int_equal(want->count, 65536);
    for (int64_t i = 0; i < want->count; i++) {
        uint16_t v = (uint16_t)i;
        memcpy(host + 1 + 2 * i, &v, 2);
    }
    dtype_widen(got, host + 1, type, want->count);
    for (int64_t i = 0; i < want->count; i++) {
        uint32_t bits = bits_of(got[i]);
        uint32_t right = bits_at(want->data, i, 4);
        if (bits != right && !(is_nan(bits) && is_nan(right)))
            failed++;
    }
    if (failed)
        print_error("%s: %d values are not PyTorch's; read src/kernel/dtype.c\n", name, failed);
    free(host);
    free(got);
    return failed;
}

static int check_narrow(const SafeTensors *s, const char *name, Dtype type)
{
    const Tensor *t = need(s, "f32");
    const Tensor *want = need(s, name);
    unsigned char *out = memory_new(2 * t->count + 1, 1, &(Error){0});
    float *in = memory_new(t->count, sizeof *in, &(Error){0});
    int failed = 0;
    for (int64_t i = 0; i < t->count; i++)
        in[i] = float_of(bits_at(t->data, i, 4));
    dtype_narrow(out + 1, type, in, t->count);
    for (int64_t i = 0; i < t->count; i++) {
        uint16_t got = (uint16_t)bits_at(out + 1, i, 2);
        uint16_t right = (uint16_t)bits_at(want->data, i, 2);
        bool nan = isnan(type == F16 ? f16_load(got) : bf16_load(got)) &&
                   isnan(type == F16 ? f16_load(right) : bf16_load(right));
        if (got != right && !nan) {
            print_error("%s: %a becomes %04x, PyTorch's is %04x; read src/kernel/dtype.c\n", name,
                        (double)in[i], got, right);
            failed++;
        }
    }
    free(out);
    free(in);
    return failed;
}

static void test_pytorch(void **state)
{
    (void)state;
    SafeTensors s;
    Error e = {0};
    if (safetensors_open(&s, "golden/kernel/dtype.safetensors", &e) != OK)
        fail_msg("%s", e.text);
    int failed = check_widen(&s, "f16.wide", F16) + check_widen(&s, "bf16.wide", BF16);
    failed += check_narrow(&s, "f32.f16", F16) + check_narrow(&s, "f32.bf16", BF16);
    safetensors_close(&s);
    assert_int_equal(failed, 0);
}

static void test_float32_is_kept(void **state)
{
    (void)state;
    const float in[3] = {1, -0.0f, float_of(0x7FC00001)};
    unsigned char out[13];
    float back[3];
    dtype_narrow(out + 1, F32, in, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(bits_at(out + 1, i, 4), bits_of(in[i]));
    memcpy(out + 1, in, sizeof in);
    dtype_widen(back, out + 1, F32, 3);
    assert_memory_equal(back, in, sizeof in);
}

/* The bits that are cut off may be all that makes a NaN. */
static void test_nan_stays(void **state)
{
    (void)state;
    static const uint32_t nans[] = {0x7F800001, 0xFF800001, 0x7FC00000, 0x7FFFFFFF};
    for (size_t i = 0; i < sizeof nans / sizeof *nans; i++) {
        assert_true(isnan(bf16_load(bf16_store(float_of(nans[i])))));
        assert_true(isnan(f16_load(f16_store(float_of(nans[i])))));
    }
}

static void test_names(void **state)
{
    (void)state;
    Dtype found;
    for (int t = 0; t < DTYPE_COUNT; t++) {
        assert_true(dtype_find(dtype_name((Dtype)t), &found) && found == (Dtype)t);
        assert_true(dtype_bits((Dtype)t) >= 4 && dtype_bits((Dtype)t) <= 64);
    }
    assert_int_equal(dtype_size(BF16), 2);
    assert_int_equal(dtype_size(F64), 8);
    assert_false(dtype_find("f32", &found));
    assert_false(dtype_find("", &found));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pytorch), cmocka_unit_test(test_float32_is_kept),
                                       cmocka_unit_test(test_nan_stays), cmocka_unit_test(test_names)};
    return cmocka_run_group_tests_name("tensor/dtype", tests, NULL, NULL);
}
