/* The parameters of a checkpoint: found by name, checked, registered, invented, made trainable.
 * The invariant: a tensor becomes one parameter, however often it is asked for, and `param`
 * keeps the order in which they were first asked for. */
#include "tensor/checkpoint_names.h"

#include "base/number.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Kernels read elements in place. So data that are not aligned, or not in the host's byte order,
 * get a private copy: the one exception to "as stored". */
static Status bind_data(Param *p, const Tensor *t, Error *e)
{
    size_t size = dtype_size(t->dtype);
    const uint16_t one = 1;
    bool big = !*(const unsigned char *)&one;
    p->weight.data = t->data;
    if (!big && (uintptr_t)t->data % size == 0)
        return OK;
    unsigned char *copy = memory_grow(NULL, (int64_t)t->bytes, 1, e);
    if (!copy)
        return e->status;
    if (!big)
        memcpy(copy, t->data, t->bytes);
    for (size_t i = 0; big && i < t->bytes; i++)
        copy[i] = t->data[i / size * size + (size - 1 - i % size)];
    p->copy = copy;
    p->weight.data = copy;
    return OK;
}

static Status check_shape(const Name *n, int ndim, const int64_t *dim, Error *e)
{
    bool same = n->tensor->ndim == ndim;
    for (int i = 0; same && i < ndim; i++)
        same = n->tensor->dim[i] == dim[i];
    if (same)
        return OK;
    char wanted[SHAPE_SIZE], found[SHAPE_SIZE];
    shape_print(wanted, ndim, dim, ", ");
    shape_print(found, n->tensor->ndim, n->tensor->dim, ", ");
    return error_set(e, BAD_INPUT, "%s: tensor %s: wanted shape %s (from config.json), found %s", n->path,
                     n->name, wanted, found);
}

/* A new parameter at the end of the list, with name, shape and stored type of `like`, and with
 * room for `extra` bytes after it. NULL after a failure. */
static Param *add_param(Checkpoint *c, const Param *like, size_t extra, Error *e)
{
    c->param = memory_reserve(c->param, c->params, &c->capacity, sizeof *c->param, e);
    Param *p = memory_new(1, sizeof *p + extra, e);
    if (!p)
        return NULL;
    *p = *like;
    p->part = c->part;
    p->unused = c->unused;
    p->weight.type = p->stored;
    p->weight.stride = 1;
    for (int i = 1; i < p->ndim; i++)
        p->weight.stride = size_product(p->weight.stride, p->dim[i]);
    c->param[c->params] = p;
    c->params++;
    return p;
}

static Param *register_param(Checkpoint *c, Name *n, Error *e)
{
    const Tensor *t = n->tensor;
    Param like = {.name = n->name, .ndim = t->ndim, .count = t->count, .stored = t->dtype};
    memcpy(like.dim, t->dim, sizeof like.dim);
    n->param = add_param(c, &like, 0, e);
    n->used = n->param != NULL;
    return n->param && bind_data(n->param, t, e) == OK ? n->param : NULL;
}

/* Random values are written at once, so the machine must have the memory. To ask it takes longer than to allocate
 * a small tensor, so it is asked for large ones. */
static Status check_room(const Param *p, const char *name, Error *e)
{
    enum { SMALL = 1 << 20 };
    const int64_t bytes = size_product(p->count, (int64_t)sizeof(uint16_t));
    const uint64_t room = bytes > SMALL ? memory_available() : 0;
    if (e->status == OK && room && (uint64_t)bytes > room)
        error_set(e, NO_MEMORY, "tensor %s needs %lld MiB of memory, %lld MiB are available", name,
                  (long long)(bytes >> 20), (long long)(room >> 20));
    return e->status;
}

/* The values of an invented matrix are between 2^-7 and 2^-5 in size, of either sign. Its name
 * is stored right after the parameter. */
static Param *invent_param(Checkpoint *c, int ndim, const int64_t *dim, const char *name, Error *e)
{
    Param like = {.ndim = ndim, .count = 1, .stored = BF16};
    for (int i = 0; i < ndim; i++) {
        like.dim[i] = dim[i];
        like.count = size_product(like.count, dim[i]);
    }
    Param *p = check_room(&like, name, e) == OK ? add_param(c, &like, strlen(name) + 1, e) : NULL;
    uint16_t *data = p ? memory_grow(NULL, p->count, sizeof *data, e) : NULL;
    if (!data)
        return NULL;
    p->name = strcpy((char *)(p + 1), name);
    p->copy = data;
    p->weight.data = data;
    uint32_t state = (uint32_t)c->params;
    for (int64_t i = 0; i < p->count && !c->empty; i++) {
        state = state * 1664525 + 1013904223;
        data[i] = ndim == 1 ? 0x3F80 : (uint16_t)((state >> 16 & 0x80FF) | 0x3C00);
    }
    return p;
}

/* checkpoint_param with its variable arguments as a list. */
static Param *ask(Checkpoint *c, Error *e, int ndim, const int64_t *dim, const char *format, va_list args)
{
    if (e->status != OK)
        return NULL;
    char name[300];
    vsnprintf(name, sizeof name, format, args);
    if (c->invented)
        return invent_param(c, ndim, dim, name, e);
    Name *n = checkpoint_find(c, name);
    if (!n) {
        error_set(e, BAD_INPUT, "%s: the weights lack tensor %s", c->folder, name);
        return NULL;
    }
    if (check_shape(n, ndim, dim, e) != OK)
        return NULL;
    if (n->param)
        return n->param;
    Dtype t = n->tensor->dtype;
    if (t != F32 && t != F16 && t != BF16) {
        error_set(e, BAD_INPUT, "%s: tensor %s: wanted type F32, F16 or BF16, found %s", n->path, name,
                  dtype_name(t));
        return NULL;
    }
    return register_param(c, n, e);
}

Param *checkpoint_param(Checkpoint *c, Error *e, int ndim, const int64_t *dim, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    Param *p = ask(c, e, ndim, dim, format, args);
    va_end(args);
    return p;
}

Param *checkpoint_vector(Checkpoint *c, Error *e, int64_t count, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    Param *p = ask(c, e, 1, &count, format, args);
    va_end(args);
    return p;
}

Param *checkpoint_matrix(Checkpoint *c, Error *e, int64_t rows, int64_t cols, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    Param *p = ask(c, e, 2, (const int64_t[]){rows, cols}, format, args);
    va_end(args);
    return p;
}

Status checkpoint_tied(Checkpoint *c, const char *name, Param *p, Error *e)
{
    if (e->status != OK)
        return e->status;
    Name *n = checkpoint_find(c, name);
    if (!n)
        return OK;
    n->used = true;
    if (check_shape(n, p->ndim, p->dim, e) != OK)
        return e->status;
    const Name *own = checkpoint_find(c, p->name);
    if (n->tensor->dtype != own->tensor->dtype ||
        memcmp(n->tensor->data, own->tensor->data, own->tensor->bytes))
        return error_set(e, BAD_INPUT,
                         "%s: tensor %s differs from %s, but config.json ties them (tie_word_embeddings)",
                         n->path, name, p->name);
    n->param = p;
    return OK;
}

const Param *checkpoint_param_of(const Checkpoint *c, const Tensor *t)
{
    for (int64_t i = 0; i < c->names; i++)
        if (c->name[i].tensor == t)
            return c->name[i].param;
    return NULL;
}

Status checkpoint_make_trainable(Param *p, Error *e)
{
    if (e->status != OK || p->master)
        return e->status;
    float *master = memory_grow(NULL, p->count, sizeof *master, e); /* not cleared */
    if (!master)
        return e->status;
    weight_widen(master, &p->weight, 0, p->count);
    if (!p->copy) /* the map keeps no memory for what is not read any more */
        file_map_release(p->weight.data, (size_t)p->count * dtype_size(p->weight.type));
    free(p->copy);
    p->copy = NULL;
    p->master = master;
    p->weight.data = master;
    p->weight.type = F32;
    return OK;
}
