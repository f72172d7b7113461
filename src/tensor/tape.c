/* The tape, and the blocks of a model. A tape is a list of records, the last one first; each
 * names the backward of a layer and what the layer saved for it. A block has a tape of its own:
 * the model's tape holds one record per block, so that the memory inside a block can be released
 * as a whole. */
#include "tensor/run.h"

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

static void *run_zero(Run *run, int64_t count, size_t size)
{
    return arena_zero(run->arena, count, size, run->error);
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
    void *saved = run_zero(run, 1, size);
    if (!r || !saved)
        return NULL;
    *r = (Record){run->tape->last, backward, saved};
    run->tape->last = r;
    return saved;
}

void run_backward(Run *run)
{
    for (const Record *r = run->tape->last; r && run->error->status == OK; r = r->before)
        r->backward(run, r->saved);
    run->tape->last = NULL;
}

/* A block whose values are kept. */
typedef struct {
    Mat *x, *y;
    Tape tape;
} KeptBlock;

/* The gradients inside are of no use afterwards: those of the block before take their place. */
static void kept_backward(Run *run, void *p)
{
    KeptBlock *s = p;
    Run inner = *run;
    inner.tape = &s->tape;
    if (!mat_grad(run, s->x) || !mat_grad(run, s->y))
        return;
    ArenaMark mark = arena_mark(run->arena);
    run_backward(&inner);
    arena_release(run->arena, mark);
}

static Mat *keep_block(Run *run, Block *f, void *context, Mat *x)
{
    KeptBlock *s = tape_record(run, kept_backward, sizeof *s);
    if (!s)
        return NULL;
    Run inner = *run;
    inner.tape = &s->tape;
    s->x = x;
    s->y = f(&inner, context, x);
    return s->y;
}

/* A block of which only x and y are kept. */
typedef struct {
    Block *f;
    void *context;
    Mat *x, *y;
} RecomputedBlock;

static void recomputed_backward(Run *run, void *p)
{
    RecomputedBlock *s = p;
    float *dx = mat_grad(run, s->x);
    float *dy = mat_grad(run, s->y);
    ArenaMark mark = arena_mark(run->arena);
    Run inner = *run;
    inner.probe = NULL; /* it has seen these values in the forward */
    inner.tape = tape_new(&inner);
    if (!dx || !dy || !inner.tape)
        return;
    Mat leaf = *s->x;
    leaf.grad = dx;
    Mat *y = s->f(&inner, s->context, &leaf);
    if (y) {
        y->grad = dy;
        run_backward(&inner);
    }
    arena_release(run->arena, mark);
}

/* y := f(x), with what f allocates released. */
static Mat *forget_block(Run *run, Block *f, void *context, Mat *x, Mat *y)
{
    Run inner = *run;
    inner.tape = NULL;
    ArenaMark mark = arena_mark(run->arena);
    const Mat *out = f(&inner, context, x);
    if (out)
        memcpy(y->data, out->data, (size_t)(x->rows * x->cols) * sizeof *y->data);
    arena_release(run->arena, mark);
    return out ? y : NULL;
}

Mat *run_block(Run *run, Block *f, const void *context, size_t context_size, Mat *x)
{
    void *copy = x ? run_alloc(run, 1, context_size) : NULL;
    if (!copy)
        return NULL;
    memcpy(copy, context, context_size);
    if (!run->tape)
        return forget_block(run, f, copy, x, x);
    if (!run->recompute)
        return keep_block(run, f, copy, x);
    Mat *y = mat_new(run, x->rows, x->cols);
    RecomputedBlock *s = tape_record(run, recomputed_backward, sizeof *s);
    if (!y || !s)
        return NULL;
    *s = (RecomputedBlock){f, copy, x, y};
    return forget_block(run, f, copy, x, y);
}
