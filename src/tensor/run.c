#include "tensor/run.h"

#include "base/parallel.h"
#include "tensor/probe.h"

#include <string.h>

typedef struct Record Record;
struct Record {
    Record *before;
    Backward *backward;
    void *saved;
};

struct Tape {
    Record *last;
};

void *run_alloc(Run *run, int64_t count, size_t size)
{
    return run->error->status == OK ? arena_alloc(run->arena, count, size, run->error) : NULL;
}

static void *run_zero(Run *run, int64_t count, size_t size)
{
    return run->error->status == OK ? arena_zero(run->arena, count, size, run->error) : NULL;
}

static float *floats_new(Run *run, int64_t rows, int64_t cols)
{
    float *data = cols && rows > INT64_MAX / cols ? NULL : run_alloc(run, rows * cols, sizeof *data);
    if (!data)
        error_set(run->error, NO_MEMORY, "a matrix of %lld x %lld is too large", (long long)rows,
                  (long long)cols);
    return data;
}

Mat *mat_new(Run *run, int64_t rows, int64_t cols)
{
    Mat *m = mat_formed(run, rows, cols, NULL, NULL);
    float *data = m ? floats_new(run, rows, cols) : NULL;
    if (!data)
        return NULL;
    m->data = data;
    return m;
}

Mat *mat_formed(Run *run, int64_t rows, int64_t cols, Fill *fill, const void *from)
{
    Mat *m = run_zero(run, 1, sizeof *m);
    if (!m)
        return NULL;
    m->rows = rows;
    m->cols = m->stride = cols;
    m->fill = fill;
    m->from = from;
    return m;
}

float *mat_values(Run *run, const Mat *x)
{
    if (x->data)
        return x->data;
    float *data = floats_new(run, x->rows, x->cols);
    if (data)
        x->fill(data, x->from);
    return data;
}

Mat *mat_columns(Run *run, Mat *x, int64_t first, int64_t count)
{
    Mat *m = x ? run_zero(run, 1, sizeof *m) : NULL;
    if (!m)
        return NULL;
    m->rows = x->rows;
    m->cols = count;
    m->stride = x->stride;
    m->data = x->data + first;
    m->base = x;
    m->first = first;
    return m;
}

float *mat_grad(Run *run, Mat *x)
{
    if (x->base) {
        float *grad = mat_grad(run, x->base);
        return grad ? grad + x->first : NULL;
    }
    if (!x->grad && (x->grad = floats_new(run, x->rows, x->cols)))
        parallel_clear(x->grad, x->rows * x->cols);
    return x->grad;
}

Tape *tape_new(Run *run)
{
    return run_zero(run, 1, sizeof(Tape));
}

void *tape_record(Run *run, Backward *backward, size_t size)
{
    if (!run->tape)
        return NULL;
    Record *r = run_zero(run, 1, sizeof *r);
    void *saved = r ? run_zero(run, 1, size) : NULL;
    if (!saved)
        return NULL;
    *r = (Record){run->tape->last, backward, saved};
    run->tape->last = r;
    return saved;
}

void run_backward(Run *run)
{
    for (Record *r = run->tape->last; r && run->error->status == OK; r = r->before)
        r->backward(run, r->saved);
    run->tape->last = NULL;
}

typedef struct {
    Block *f;
    void *context;
    Mat *x, *y;
} SavedBlock;

typedef struct {
    Mat *x, *y;
    Tape tape; /* of what the block recorded */
} KeptBlock;

/* Walks the block's own tape back. The gradients within are of no use afterwards: the next
 * block's take their place. */
static void kept_block_backward(Run *run, void *p)
{
    KeptBlock *s = p;
    Run inner = *run;
    inner.tape = &s->tape;
    if (mat_grad(run, s->x) && mat_grad(run, s->y)) {
        ArenaMark mark = arena_mark(run->arena);
        run_backward(&inner);
        arena_release(run->arena, mark);
    }
}

/* Runs the block a second time, now with a tape of its own, and walks that back. */
static void block_backward(Run *run, void *p)
{
    SavedBlock *s = p;
    float *dx = mat_grad(run, s->x), *dy = mat_grad(run, s->y);
    ArenaMark mark = arena_mark(run->arena);
    Run inner = *run;
    inner.probe = NULL;
    inner.tape = tape_new(&inner);
    Mat leaf = *s->x;
    leaf.grad = dx;
    Mat *y = inner.tape ? s->f(&inner, s->context, &leaf) : NULL;
    if (y && dy) {
        y->grad = dy;
        run_backward(&inner);
    }
    arena_release(run->arena, mark);
}

Mat *run_block(Run *run, Block *f, const void *context, size_t context_size, Mat *x)
{
    if (!x)
        return NULL;
    Mat *y = x;
    Run inner = *run;
    inner.tape = NULL;
    void *copy = run_alloc(run, 1, context_size);
    if (!copy)
        return NULL;
    memcpy(copy, context, context_size);
    if (run->tape && !run->recompute) {
        KeptBlock *s = tape_record(run, kept_block_backward, sizeof *s);
        if (!s)
            return NULL;
        inner.tape = &s->tape;
        s->x = x;
        s->y = f(&inner, copy, x);
        return s->y;
    }
    if (run->tape) {
        y = mat_new(run, x->rows, x->cols);
        SavedBlock *s = tape_record(run, block_backward, sizeof *s);
        if (!y || !s)
            return NULL;
        *s = (SavedBlock){f, copy, x, y};
    }
    ArenaMark mark = arena_mark(run->arena);
    Mat *out = f(&inner, copy, x);
    if (out)
        memcpy(y->data, out->data, (size_t)(x->rows * x->cols) * sizeof *y->data);
    arena_release(run->arena, mark);
    return out ? y : NULL;
}
