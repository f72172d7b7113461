/* Reading the safetensors format: 8 bytes with the length of the header, the header, which is
 * JSON with type, shape and offsets of each tensor, and the data. Nothing of a file is used
 * before all of its header was checked: afterwards every tensor lies inside the map, and all of
 * them together are the data. (safetensors/src/tensor.rs) */
#include "tensor/safetensors.h"

#include "base/bytes.h"
#include "base/json.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_HEADER = 100000000 };

/* The part of the file after the header. */
typedef struct {
    const unsigned char *start;
    size_t size;
} Data;

static Status bad(const SafeTensors *s, const Tensor *t, const char *what, Error *e)
{
    return error_set(e, BAD_INPUT, "%s: tensor %s: %s", s->path, t->name, what);
}

/* *bits: what the shape takes, counted in the reference's order and in 64 bits, so that the same
 * shapes are refused. */
static Status read_shape(const SafeTensors *s, Tensor *t, const json_t *info, uint64_t *bits, Error *e)
{
    const json_t *shape = json_object_get(info, "shape");
    if (!json_is_array(shape))
        return bad(s, t, "shape: wanted a list", e);
    if (json_array_size(shape) > MAX_DIMS)
        return bad(s, t, "shape: more dimensions than are supported", e);
    uint64_t count = 1;
    uint64_t width = (uint64_t)dtype_bits(t->dtype);
    for (size_t i = 0; i < json_array_size(shape); i++) {
        const json_t *d = json_array_get(shape, i);
        if (!json_is_integer(d) || json_integer_value(d) < 0)
            return bad(s, t, "shape: wanted integers from 0 up", e);
        uint64_t n = (uint64_t)json_integer_value(d);
        if (n && count > UINT64_MAX / n)
            return bad(s, t, "shape: its product does not fit in 64 bits", e);
        count *= n;
        t->dim[t->ndim] = (int64_t)n;
        t->ndim++;
    }
    if (count > UINT64_MAX / width)
        return bad(s, t, "shape: the size in bits does not fit in 64 bits", e);
    *bits = count * width;
    t->count = (int64_t)count;
    return OK;
}

/* data_offsets: [begin, end], counted from the end of the header. */
static Status read_offsets(const SafeTensors *s, Tensor *t, const json_t *info, uint64_t bits, Data data,
                           Error *e)
{
    if (e->status != OK)
        return e->status;
    const json_t *offsets = json_object_get(info, "data_offsets");
    const json_t *begin = json_array_get(offsets, 0);
    const json_t *end = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(begin) || !json_is_integer(end) ||
        json_integer_value(begin) < 0)
        return bad(s, t, "data_offsets: wanted two integers from 0 up", e);
    json_int_t first = json_integer_value(begin);
    json_int_t last = json_integer_value(end);
    if (last < first || (uint64_t)last > data.size)
        return error_set(e, BAD_INPUT,
                         "%s: tensor %s: data_offsets [%lld, %lld] do not lie in the file's %zu bytes of "
                         "data; is the file complete?",
                         s->path, t->name, (long long)first, (long long)last, data.size);
    t->data = data.start + first;
    t->bytes = (size_t)(last - first);
    if (bits % 8 || t->bytes != bits / 8)
        return error_set(e, BAD_INPUT,
                         "%s: tensor %s: data_offsets give it %zu bytes, its shape and type %s take %llu",
                         s->path, t->name, t->bytes, dtype_name(t->dtype), (unsigned long long)(bits / 8));
    return OK;
}

static Status read_tensor(SafeTensors *s, const char *name, const json_t *info, Data data, Error *e)
{
    Tensor *t = s->tensor + s->count;
    t->name = memory_copy(name, e);
    if (!t->name)
        return e->status;
    s->count++;
    if (!json_is_object(info))
        return bad(s, t, "wanted an object with dtype, shape and data_offsets", e);
    const char *type = json_string_value(json_object_get(info, "dtype"));
    if (!type || !dtype_find(type, &t->dtype))
        return error_set(e, BAD_INPUT,
                         "%s: tensor %s: dtype: wanted one of safetensors' types (F32, BF16, ...), found %s",
                         s->path, name, type ? type : "none");
    uint64_t bits = 0;
    read_shape(s, t, info, &bits, e);
    return read_offsets(s, t, info, bits, data, e);
}

static int name_order(const void *a, const void *b)
{
    return strcmp((*(Tensor *const *)a)->name, (*(Tensor *const *)b)->name);
}

/* By address; tensors without elements may share theirs with others. */
static int data_order(const void *a, const void *b)
{
    const Tensor *x = a;
    const Tensor *y = b;
    if (x->data != y->data)
        return x->data < y->data ? -1 : 1;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* The tensors cover the data from the first to the last byte, without hole or overlap. */
static Status check_cover(const SafeTensors *s, Data data, Error *e)
{
    const unsigned char *next = data.start;
    for (int64_t i = 0; i < s->count; i++) {
        const Tensor *t = s->tensor + i;
        if (t->data != next)
            return bad(s, t,
                       t->data > next ? "data_offsets leave a hole before it"
                                      : "data_offsets overlap another tensor's",
                       e);
        next += t->bytes;
    }
    size_t rest = (size_t)(data.start + data.size - next);
    if (rest)
        error_set(e, BAD_INPUT, "%s: %zu bytes that belong to no tensor follow the data", s->path, rest);
    return e->status;
}

static Status check_metadata(const SafeTensors *s, json_t *metadata, Error *e)
{
    if (!json_is_object(metadata) && !json_is_null(metadata))
        return error_set(e, BAD_INPUT, "%s: __metadata__: wanted an object", s->path);
    const char *key;
    json_t *value;
    json_object_foreach(metadata, key, value)
    {
        if (!json_is_string(value))
            return error_set(e, BAD_INPUT, "%s: __metadata__.%s: wanted a string", s->path, key);
    }
    return OK;
}

static Status read_header(SafeTensors *s, json_t *header, Data data, Error *e)
{
    int64_t entries = (int64_t)json_object_size(header);
    s->tensor = memory_new(entries, sizeof *s->tensor, e);
    s->named = memory_new(entries, sizeof *s->named, e);
    const char *name;
    json_t *info;
    json_object_foreach(header, name, info)
    {
        if (e->status != OK)
            return e->status;
        if (strcmp(name, "__metadata__"))
            read_tensor(s, name, info, data, e);
        else
            check_metadata(s, info, e);
    }
    if (e->status != OK)
        return e->status;
    qsort(s->tensor, (size_t)s->count, sizeof *s->tensor, data_order);
    for (int64_t i = 0; i < s->count; i++)
        s->named[i] = s->tensor + i;
    qsort(s->named, (size_t)s->count, sizeof *s->named, name_order);
    return check_cover(s, data, e);
}

static bool starts_with(const FileMap *m, size_t at, const char *start)
{
    for (; *start; start++, at++)
        if (at >= m->size ||
            (m->data[at] | (m->data[at] >= 'A' && m->data[at] <= 'Z' ? 32 : 0)) != (unsigned char)*start)
            return false;
    return true;
}

/* What the first bytes say of a file of another kind; NULL: nothing. None of them could be the
 * length of a header, because all are far too large. */
static const char *foreign_kind(const FileMap *m)
{
    static const struct {
        const char *start, *kind; /* start: in lower case */
    } known[] = {
        {"version https://git-lfs", "is a git-lfs pointer, not the weights; fetch them with `git lfs pull`"},
        {"<!doctype", "is a web page, not the weights; download them again"},
        {"<html", "is a web page, not the weights; download them again"},
        {"pk\x03\x04", "is a zip archive (PyTorch's own format?); only safetensors files are read"}};
    size_t at = 0;
    while (at < m->size && at < 100 && memchr(" \t\r\n", m->data[at], 4))
        at++;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (starts_with(m, at, known[i].start))
            return known[i].kind;
    return NULL;
}

static Status parse(SafeTensors *s, Error *e)
{
    if (e->status != OK)
        return e->status;
    const char *foreign = foreign_kind(&s->map);
    if (foreign)
        return error_set(e, BAD_INPUT, "%s: %s", s->path, foreign);
    if (s->map.size < 8)
        return error_set(e, BAD_INPUT, "%s: %zu bytes are too few for a safetensors file", s->path,
                         s->map.size);
    uint64_t length = load_u64(s->map.data);
    if (length > MAX_HEADER || length > s->map.size - 8)
        return error_set(
            e, BAD_INPUT,
            "%s: wants a header of %llu bytes in a file of %zu; is it complete, and a safetensors file?",
            s->path, (unsigned long long)length, s->map.size);
    if (json_check_size((const char *)s->map.data + 8, (size_t)length, JSON_LARGE, s->path, e) != OK)
        return e->status;
    json_error_t why;
    /* Integers must be exact and escaped NULs (in metadata) are legal, so this is not json_open. */
    json_t *header = json_loadb((const char *)s->map.data + 8, (size_t)length,
                                JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
    if (!header && json_error_code(&why) == json_error_out_of_memory)
        return error_set(e, NO_MEMORY, "%s: out of memory while reading the header", s->path);
    if (!header)
        return error_set(e, BAD_INPUT, "%s: header: not valid JSON: %s", s->path, why.text);
    Data data = {s->map.data + 8 + length, s->map.size - 8 - (size_t)length};
    if (json_is_object(header))
        read_header(s, header, data, e);
    else
        error_set(e, BAD_INPUT, "%s: header: wanted an object", s->path);
    json_decref(header);
    return e->status;
}

Status safetensors_open(SafeTensors *s, const char *path, Error *e)
{
    *s = (SafeTensors){0};
    s->path = memory_copy(path, e);
    file_map(&s->map, path, e);
    parse(s, e);
    if (e->status != OK)
        safetensors_close(s);
    return e->status;
}

void safetensors_close(SafeTensors *s)
{
    for (int64_t i = 0; i < s->count; i++)
        free(s->tensor[i].name);
    free(s->tensor);
    free(s->named);
    free(s->path);
    file_unmap(&s->map);
    *s = (SafeTensors){0};
}

const Tensor *safetensors_find(const SafeTensors *s, const char *name)
{
    Tensor key = {.name = (char *)(uintptr_t)name};
    Tensor *wanted = &key;
    Tensor **found =
        s->count ? bsearch(&wanted, s->named, (size_t)s->count, sizeof *s->named, name_order) : NULL;
    return found ? *found : NULL;
}

void shape_print(char text[SHAPE_SIZE], int ndim, const int64_t *dim, const char *comma)
{
    int used = snprintf(text, SHAPE_SIZE, "[");
    for (int i = 0; i < ndim; i++)
        used +=
            snprintf(text + used, (size_t)(SHAPE_SIZE - used), "%s%lld", i ? comma : "", (long long)dim[i]);
    assert(used + 2 <= SHAPE_SIZE);
    memcpy(text + used, "]", 2);
}

bool tensor_read(const Tensor *t, float *out)
{
    if (t->dtype != F32 && t->dtype != F16 && t->dtype != BF16 && t->dtype != F64)
        return false;
    const size_t size = dtype_size(t->dtype);
    for (int64_t i = 0; i < t->count; i++) {
        const unsigned char *p = t->data + (size_t)i * size;
        uint64_t bits = 0;
        for (size_t b = size; b-- > 0;)
            bits = bits << 8 | p[b];
        const uint32_t low = (uint32_t)bits;
        double wide;
        memcpy(&wide, &bits, sizeof wide);
        memcpy(out + i, &low, sizeof *out);
        if (t->dtype == F64)
            out[i] = (float)wide;
        else if (t->dtype == BF16)
            out[i] = bf16_load((uint16_t)bits);
        else if (t->dtype == F16)
            out[i] = f16_load((uint16_t)bits);
    }
    return true;
}
