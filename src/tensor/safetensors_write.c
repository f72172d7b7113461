/* Writing the safetensors format. The header's order of tensors is the order of their data: the
 * widest types first, so that each tensor is aligned to its elements. Values are converted a piece
 * at a time, so that no second copy of the data is needed. */
#include "tensor/safetensors.h"

#include "base/bytes.h"
#include "base/memory.h"
#include "base/number.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { WIDEST = 8, PIECE = 1 << 16 }; /* bytes of an element; elements at a time */

static int64_t tensor_count(const TensorOut *t)
{
    int64_t count = 1;
    for (int i = 0; i < t->ndim; i++)
        count *= t->dim[i];
    return count;
}

/* {"dtype": ..., "shape": ..., "data_offsets": ...}; NULL without memory. */
static json_t *tensor_info(const TensorOut *t, int64_t begin, int64_t end)
{
    json_t *shape = json_array();
    int failed = !shape;
    for (int k = 0; k < t->ndim && !failed; k++)
        failed = json_array_append_new(shape, json_integer(t->dim[k]));
    if (failed) {
        json_decref(shape);
        return NULL;
    }
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", dtype_name(t->dtype), "shape", shape, "data_offsets",
                     (json_int_t)begin, (json_int_t)end);
}

/* The header's JSON text, owned by the caller; NULL without memory. */
static char *header_json(const TensorOut *tensors, int64_t count)
{
    json_t *root = json_pack("{s:{s:s}}", "__metadata__", "format", "pt");
    int64_t offset = 0;
    for (size_t width = WIDEST; width && root; width /= 2)
        for (int64_t i = 0; i < count && root; i++) {
            const TensorOut *t = tensors + i;
            if (dtype_size(t->dtype) != width)
                continue;
            int64_t end = offset + tensor_count(t) * (int64_t)width;
            if (json_object_set_new(root, t->name, tensor_info(t, offset, end))) {
                json_decref(root);
                root = NULL;
            }
            offset = end;
        }
    char *json = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    return json;
}

/* Length and header, padded with spaces so that the data start at a multiple of 8. */
static Status put_header(FileWriter *w, const TensorOut *tensors, int64_t count, Error *e)
{
    if (e->status != OK)
        return e->status;
    char *json = header_json(tensors, count);
    char length[8];
    if (!json)
        return error_set(e, NO_MEMORY, "%s: out of memory while writing the header", w->path);
    size_t bytes = strlen(json);
    size_t padding = (8 - bytes % 8) % 8;
    store_u64(length, bytes + padding);
    file_put(w, length, sizeof length, e);
    file_put(w, json, bytes, e);
    free(json);
    return file_put(w, "       ", padding, e);
}

static void narrow_int32(unsigned char *out, const int32_t *in, int64_t count)
{
    for (int64_t i = 0; i < 4 * count; i++)
        out[i] = (unsigned char)((uint32_t)in[i / 4] >> 8 * (i % 4));
}

/* Elements first .. first + n - 1, as the file has them; wide[PIECE] is scratch. */
static void convert(unsigned char *piece, float *wide, const TensorOut *t, int64_t first, int64_t n)
{
    if (t->dtype == I32) {
        narrow_int32(piece, (const int32_t *)t->data + first, n);
        return;
    }
    if (t->values)
        t->values(wide, t->data, first, n);
    else
        dtype_widen(wide, (const unsigned char *)t->data + (size_t)first * dtype_size(t->held), t->held, n);
    dtype_narrow(piece, t->dtype, wide, n);
}

static Status put_tensor(FileWriter *w, const TensorOut *t, Error *e)
{
    const int64_t count = tensor_count(t);
    if (t->as_stored)
        return file_put(w, t->data, (size_t)count * dtype_size(t->dtype), e);
    unsigned char *piece = memory_new(PIECE, sizeof(float), e);
    float *wide = memory_new(PIECE, sizeof *wide, e);
    for (int64_t i = 0; i < count && e->status == OK; i += PIECE) {
        const int64_t n = min_i64(count - i, PIECE);
        convert(piece, wide, t, i, n);
        file_put(w, piece, (size_t)n * dtype_size(t->dtype), e);
    }
    free(piece);
    free(wide);
    return e->status;
}

/* Whether values become of that type here. */
static bool is_written(const TensorOut *t)
{
    const Dtype d = t->dtype;
    return t->as_stored ? dtype_size(d) > 0 : d == F32 || d == F16 || d == BF16 || d == I32;
}

Status safetensors_begin(FileWriter *w, const char *path, const TensorOut *tensors, int64_t count, Error *e)
{
    file_begin(w, path, e);
    return put_header(w, tensors, count, e);
}

Status safetensors_write(const char *path, const TensorOut *tensors, int64_t count, Error *e)
{
    if (e->status != OK)
        return e->status;
    for (int64_t i = 0; i < count; i++)
        if (!is_written(tensors + i))
            return error_set(e, FAILED, "%s: tensor %s: type %s cannot be written", path, tensors[i].name,
                             dtype_name(tensors[i].dtype));
    FileWriter w;
    safetensors_begin(&w, path, tensors, count, e);
    for (size_t width = WIDEST; width; width /= 2)
        for (int64_t i = 0; i < count; i++)
            if (dtype_size(tensors[i].dtype) == width)
                put_tensor(&w, tensors + i, e);
    return file_commit(&w, e);
}
