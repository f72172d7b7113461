#include "golden.h"

#include "base/memory.h"

#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

const double golden_pass_limit = 4, golden_training_limit = 8;

void golden_open(Golden *g, const char *name)
{
    char path[300];
    Error e = {0};
    *g = (Golden){.name = name};
    snprintf(path, sizeof path, "golden/%s.json", name);
    if (json_open(&g->notes, path, 1 << 26, &e) != OK)
        fail_msg("%s", e.text);
    snprintf(path, sizeof path, "golden/%s.safetensors", name);
    if (file_exists(path) && safetensors_open(&g->tensors, path, &e) != OK)
        fail_msg("%s", e.text);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void golden_close(Golden *g)
{
    int64_t compared = g->compared;
    if (compared) {
        qsort(g->ratio, (size_t)compared, sizeof *g->ratio, by_size);
        print_message("  golden/%s: %lld tensors, worst %.3g x PyTorch float32's own error (%s), median %.3g x\n", g->name, (long long)compared,
                      g->worst, g->at, g->ratio[compared / 2]);
    }
    free(g->ratio);
    safetensors_close(&g->tensors);
    json_close(&g->notes);
    if (!compared)
        fail_msg("golden/%s: nothing was compared", g->name);
}

bool golden_has(const Golden *g, const char *tensor)
{
    return safetensors_find(&g->tensors, tensor) != NULL;
}

const Tensor *golden_tensor(const Golden *g, const char *tensor)
{
    const Tensor *t = safetensors_find(&g->tensors, tensor);
    if (!t)
        fail_msg("golden/%s.safetensors has no tensor %s", g->name, tensor);
    return t;
}

double tensor_value(const Tensor *t, int64_t i)
{
    unsigned char bytes[8] = {0};
    size_t size = dtype_size(t->dtype);
    memcpy(bytes, t->data + (size_t)i * size, size);
    uint64_t bits = load_u64(bytes);
    uint32_t low = (uint32_t)bits;
    double wide;
    float narrow;
    memcpy(&wide, &bits, sizeof wide);
    memcpy(&narrow, &low, sizeof narrow);
    switch (t->dtype) {
    case F64: return wide;
    case F32: return (double)narrow;
    case I32: return (double)(int32_t)low;
    default: fail_msg("%s: type %s is not expected in a golden file", t->name, dtype_name(t->dtype));
    }
    return NAN;
}

float *golden_floats(const Golden *g, const char *tensor)
{
    const Tensor *t = golden_tensor(g, tensor);
    float *out = memory_new(t->count + 1, sizeof *out, NULL);
    assert_non_null(out);
    for (int64_t i = 0; i < t->count; i++)
        out[i] = (float)tensor_value(t, i);
    return out;
}

int32_t *golden_ints(const Golden *g, const char *tensor)
{
    const Tensor *t = golden_tensor(g, tensor);
    int32_t *out = memory_new(t->count + 1, sizeof *out, NULL);
    assert_non_null(out);
    for (int64_t i = 0; i < t->count; i++)
        out[i] = (int32_t)tensor_value(t, i);
    return out;
}

double golden_number(const Golden *g, const char *key)
{
    json_t *v = json_object_get(g->notes.root, key);
    if (!json_is_number(v))
        fail_msg("golden/%s.json: no number \"%s\"", g->name, key);
    return json_number_value(v);
}

const char *golden_string(const Golden *g, const char *key)
{
    json_t *v = json_object_get(g->notes.root, key);
    if (!json_is_string(v) && !json_is_null(v))
        fail_msg("golden/%s.json: no string \"%s\"", g->name, key);
    return json_string_value(v);
}

double golden_unit(const Golden *g, const char *tensor)
{
    json_t *e = json_object_get(json_object_get(g->notes.root, "error"), tensor);
    if (!json_is_number(json_object_get(e, "max_abs")) || !json_is_number(json_object_get(e, "rms")))
        fail_msg("golden/%s.json: no error of PyTorch's for %s", g->name, tensor);
    double error = json_number_value(json_object_get(e, "max_abs")), rms = json_number_value(json_object_get(e, "rms"));
    return fmax(fmax(error, 2e-7 * rms), 1e-8);
}

Difference difference_of(const float *got, int64_t count, const Tensor *want)
{
    Difference d = {0, 0};
    if (!got || count != want->count)
        return (Difference){INFINITY, 0};
    for (int64_t i = 0; i < count; i++) {
        double a = fabs((double)got[i] - tensor_value(want, i));
        if (!(a <= d.worst)) /* true for NaN too */
            d = (Difference){isfinite(a) ? a : INFINITY, i};
        if (isinf(d.worst))
            break;
    }
    return d;
}

bool same_shape(const Tensor *want, int ndim, const int64_t *dim)
{
    int a = 0, b = 0;
    for (;;) {
        while (a < want->ndim && want->dim[a] == 1)
            a++;
        while (b < ndim && dim[b] == 1)
            b++;
        if (a == want->ndim || b == ndim)
            return a == want->ndim && b == ndim;
        if (want->dim[a++] != dim[b++])
            return false;
    }
}

/* Remembers one comparison. */
static void note(Golden *g, const char *tensor, double ratio)
{
    double *more = memory_grow(g->ratio, g->compared + 1, sizeof *more, NULL);
    assert_non_null(more);
    g->ratio = more;
    g->ratio[g->compared++] = ratio;
    if (!(ratio <= g->worst) || g->compared == 1) {
        g->worst = ratio;
        snprintf(g->at, sizeof g->at, "%s", tensor);
    }
}

bool golden_within(Golden *g, const char *tensor, const float *got, int64_t count, double unit, double factor, const char *read)
{
    const Tensor *want = golden_tensor(g, tensor);
    Difference d = difference_of(got, count, want);
    double ratio = d.worst / unit;
    note(g, tensor, ratio);
    if (ratio <= factor && d.worst <= unit * factor)
        return true;
    if (g->quiet)
        return false;
    if (!got || count != want->count)
        print_error("golden/%s: %s: wanted %lld values, got %lld; read %s\n", g->name, tensor, (long long)want->count, (long long)(got ? count : 0),
                    read);
    else
        print_error(
            "golden/%s: %s: element %lld of %lld is %.9g, wanted %.9g: %.3g apart, limit %.3g (%.3g x PyTorch's own error, allowed %.3g); read %s\n",
            g->name, tensor, (long long)d.at, (long long)count, (double)got[d.at], tensor_value(want, d.at), d.worst, unit * factor, ratio, factor,
            read);
    return false;
}

bool golden_close_to(Golden *g, const char *tensor, const float *got, int64_t count, double factor, const char *read)
{
    return golden_within(g, tensor, got, count, golden_unit(g, tensor), factor, read);
}

bool golden_matches(Golden *g, const char *tensor, const TensorOut *got, double factor, const char *read)
{
    int64_t count = 1;
    for (int i = 0; got && i < got->ndim; i++)
        count *= got->dim[i];
    if (got && (got->dtype != F32 || !same_shape(golden_tensor(g, tensor), got->ndim, got->dim))) {
        note(g, tensor, INFINITY);
        if (!g->quiet)
            print_error("golden/%s: %s has another shape or type; read %s\n", g->name, tensor, read);
        return false;
    }
    return golden_close_to(g, tensor, got ? got->data : NULL, count, factor, read);
}

bool golden_ints_equal(Golden *g, const char *tensor, const int32_t *got, int64_t count, const char *read)
{
    const Tensor *want = golden_tensor(g, tensor);
    int64_t i = 0;
    if (got && count == want->count)
        while (i < count && (double)got[i] == tensor_value(want, i))
            i++;
    bool equal = got && count == want->count && i == count;
    note(g, tensor, equal ? 0 : INFINITY);
    if (!equal && !g->quiet)
        print_error("golden/%s: %s: wanted %lld values, got %lld, the first difference at %lld; read %s\n", g->name, tensor, (long long)want->count,
                    (long long)(got ? count : 0), (long long)i, read);
    return equal;
}
