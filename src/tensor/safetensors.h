/* The safetensors format, reading and writing. What the reference implementation accepts is
 * accepted: a header of at most 100,000,000 bytes, offsets that cover the data without hole or
 * overlap, sizes that match shapes, metadata that are strings. Some files that no writer makes
 * are refused, although the reference takes them: a name given twice, integers beyond 63 bits,
 * more than MAX_DIMS dimensions, a NUL inside a name, and serde's second spelling of an entry (a
 * list for {dtype, shape, data_offsets}). */
#ifndef MPA_TENSOR_SAFETENSORS_H
#define MPA_TENSOR_SAFETENSORS_H

#include "base/file.h"
#include "tensor/param.h"

typedef struct {
    char *name; /* owned */
    Dtype dtype;
    int ndim;
    int64_t dim[MAX_DIMS];
    int64_t count;
    const unsigned char *data; /* borrowed from the map; little-endian, need not be aligned */
    size_t bytes;
} Tensor;

/* An opened file. Owned: safetensors_close. */
typedef struct {
    char *path;
    FileMap map;
    Tensor *tensor; /* [count], in the order of their data */
    Tensor **named; /* [count], the same in the order of their names */
    int64_t count;
} SafeTensors;

/* BAD_INPUT names the file, the tensor and what is wrong; a git-lfs pointer, a web page and a zip
 * archive are recognised. */
Status safetensors_open(SafeTensors *s, const char *path, Error *e);
void safetensors_close(SafeTensors *s);
/* out[count] = the values as float32, rounded where they are F64. False for another type than
 * F32, F16, BF16 and F64. */
bool tensor_read(const Tensor *t, float *out);
const Tensor *safetensors_find(const SafeTensors *s, const char *name); /* NULL: none */

/* "[2, 3]" for a comma ", ". There is room for MAX_DIMS of the largest numbers. */
enum { SHAPE_SIZE = 220 };
void shape_print(char text[SHAPE_SIZE], int ndim, const int64_t *dim, const char *comma);

/* Values first .. first + count - 1 of what stands for a tensor. */
typedef void TensorValues(float *out, const void *of, int64_t first, int64_t count);

/* A tensor to write. Its values are of type `held` (F32, BF16 or F16) and are converted to dtype
 * (one of the same three); with dtype I32 they are int32. With `values` they come from there, a piece
 * at a time, and `data` is what it is given. With `as_stored` they are the bytes of a safetensors file,
 * of any type. Borrowed. */
typedef struct {
    const char *name;
    Dtype dtype;
    int ndim;
    int64_t dim[MAX_DIMS];
    const void *data;
    Dtype held; /* F32 when it is left out */
    TensorValues *values;
    bool as_stored;
} TensorOut;

/* Writes path atomically (path.tmp, sync, rename), with metadata {"format": "pt"}, and needs no
 * second copy of the data in memory. The data are in the order given, but wider types before
 * narrower ones, so that every tensor is aligned in the file. FAILED: a type that cannot be converted. */
Status safetensors_write(const char *path, const TensorOut *tensors, int64_t count, Error *e);

/* Begins such a file: the caller puts the data of all tensors, in the order given, and commits it. They are
 * of one type. */
Status safetensors_begin(FileWriter *w, const char *path, const TensorOut *tensors, int64_t count, Error *e);

#endif
