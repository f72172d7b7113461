/* The context of one pass through a model, and the matrices that flow through it.
 *
 * A layer is a plain C function that computes at once and returns a new Mat. With a tape it also
 * records its backward, and run_backward calls the records in reverse. The first failure stays in
 * `error`, and a layer that is given NULL returns NULL. So formulas need no ifs: the caller checks
 * once, at the end. */
#ifndef MPA_TENSOR_RUN_H
#define MPA_TENSOR_RUN_H

#include "base/memory.h"
#include "tensor/param.h"

/* Computes the values of a matrix that keeps none, out[rows, cols], from what it was given. */
typedef void Compute(float *out, const void *inputs);

/* x[rows, cols], row i at data + i * stride. Arena memory. */
typedef struct Mat Mat;
struct Mat {
    int64_t rows, cols, stride;
    float *data;   /* NULL: computed on demand; use mat_values */
    float *grad;   /* as data; NULL until mat_grad is first asked for it */
    Mat *base;     /* NULL, or the matrix of which this is a view; it has the gradient of both */
    int64_t first; /* of a view: its first value in base */
    bool constant; /* an input: nobody wants its gradient */
    Compute *compute;
    const void *inputs; /* of compute */
};

typedef struct Tape Tape;
typedef struct Probe Probe;

/* What decides, with the module and the element, which elements dropout leaves out: so the same are
 * left out when a block is recomputed, on any number of threads, and after a run was resumed. */
typedef struct {
    uint64_t seed;        /* run.seed */
    int64_t step, sample; /* updates made so far; number of the pass's first pair */
} DropoutKey;

typedef struct {
    Arena *arena;   /* borrowed: all memory of the pass */
    Tape *tape;     /* NULL: inference, nothing is recorded */
    Probe *probe;   /* NULL, or who wants to see named values */
    Error *error;   /* borrowed, never NULL */
    bool recompute; /* with a tape: a block keeps only its input, and backward runs its forward again */
    const DropoutKey *dropout; /* NULL: nothing is left out */
    Mat **pixels;      /* NULL, or receives the pixels, whose gradient is wanted: they are no constant */
    bool frozen_tower; /* no gradient is wanted inside the vision tower: it runs without the tape */
    int64_t first_row; /* where only a part of a pass's rows is computed: which one of them is its first */
} Run;

/* Memory of the pass, not cleared; NULL after a failure. */
void *run_alloc(Run *run, int64_t count, size_t size);

/* A new matrix, not cleared. NULL after a failure. */
Mat *mat_new(Run *run, int64_t rows, int64_t cols);
/* A matrix that keeps no values, because they are cheap to compute and few layers use them.
 * `inputs` must live as long. NULL after a failure. */
Mat *mat_lazy(Run *run, int64_t rows, int64_t cols, Compute *compute, const void *inputs);
/* The values of x: its own, or computed now, in memory of the pass. NULL after a failure. */
float *mat_values(Run *run, const Mat *x);
/* A view of columns first .. first + count - 1 that shares data and gradient. NULL for NULL. */
Mat *mat_columns(Run *run, Mat *x, int64_t first, int64_t count);
/* A view of rows first .. first + count - 1. */
Mat *mat_rows(Run *run, Mat *x, int64_t first, int64_t count);
/* The gradient of x, cleared when it is first asked for. NULL after a failure. */
float *mat_grad(Run *run, Mat *x);

/* The backward of one layer; `saved` is what tape_record returned. */
typedef void Backward(Run *run, void *saved);

/* A tape that records into run's arena. NULL after a failure. */
Tape *tape_new(Run *run);
/* Records `backward`, and returns `size` cleared bytes that it will be given, for the caller to
 * fill in. NULL without a tape or after a failure. */
void *tape_record(Run *run, Backward *backward, size_t size);
/* Calls all recorded backward functions, the last one first, and empties the tape. The gradient of
 * the pass's result must have been set. */
void run_backward(Run *run);

/* One block of a model: x [N,D] -> y [N,D], by `f`; `context` is copied.
 * Inference: what f allocated is released, and its result replaces x's values.
 * Training: what f computed is kept; the gradients inside are released when its backward is done.
 * With run->recompute only x is kept, and backward runs f a second time.
 * Of values from outside, only x and parameters may have a gradient in f. */
typedef Mat *Block(Run *run, void *context, Mat *x);
Mat *run_block(Run *run, Block *f, const void *context, size_t context_size, Mat *x);

#endif
