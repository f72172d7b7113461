/* Copies of named values in an arena of their own, which outlives the pass. They are kept in the
 * order in which the pass computed them. */
#include "tensor/probe.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void probe_init(Probe *p)
{
    memset(p, 0, sizeof *p);
    arena_init(&p->arena);
}

void probe_free(Probe *p)
{
    arena_free(&p->arena);
    probe_init(p);
}

void probe_array(Run *run, const void *data, Dtype dtype, int ndim, const int64_t *dim, const char *name)
{
    Probe *p = run->probe;
    if (!p || run->error->status != OK)
        return;
    if (p->count == p->capacity) {
        int64_t capacity = p->capacity * 2 + 64;
        TensorOut *more = arena_alloc(&p->arena, capacity, sizeof *more, run->error);
        if (!more)
            return;
        if (p->count)
            memcpy(more, p->tensor, (size_t)p->count * sizeof *more);
        p->tensor = more;
        p->capacity = capacity;
    }
    TensorOut t = {.dtype = dtype, .ndim = ndim};
    int64_t count = 1;
    for (int i = 0; i < ndim; i++) {
        t.dim[i] = dim[i];
        count *= dim[i];
    }
    void *copy = arena_alloc(&p->arena, count, sizeof(float), run->error);
    t.name = arena_copy(&p->arena, name, run->error);
    if (!copy || !t.name)
        return;
    t.data = memcpy(copy, data, (size_t)count * sizeof(float));
    p->tensor[p->count] = t;
    p->count++;
}

void probe_mat(Run *run, const Mat *x, int64_t batch, const char *format, ...)
{
    if (!run->probe || !x)
        return;
    char name[200];
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    int64_t dim[3] = {batch, batch ? x->rows / batch : x->rows, x->cols};
    probe_array(run, x->data, F32, batch ? 3 : 2, batch ? dim : dim + 1, name);
}
