/* The context of one pass through a model, and the matrices that flow in it.
 *
 * A layer is a plain C function that computes at once and returns a new Mat. With a tape it also
 * records its backward function; `run_backward` walks the records in reverse. The first failure
 * is kept in `error`, and every layer given NULL returns NULL, so that formulas have no ifs: the
 * caller checks once, at the end. */
#ifndef MPA_TENSOR_RUN_H
#define MPA_TENSOR_RUN_H

#include "base/memory.h"
#include "tensor/param.h"

/* Forms the values of a matrix that keeps none; `from` is what it was given. */
typedef void Fill(float *out, const void *from);

/* x[rows, cols], row i at data + i * stride. Arena memory. */
typedef struct Mat Mat;
struct Mat {
    int64_t rows, cols, stride;
    float *data;   /* NULL: not kept, formed when wanted; use mat_values */
    float *grad;   /* as data, or NULL: not formed yet; use mat_grad */
    Mat *base;     /* NULL, or the matrix of which this is a view (and whose gradient it shares) */
    int64_t first; /* of a view: its first column in base */
    bool constant; /* an input that no gradient is wanted of */
    Fill *fill;    /* of a matrix that is not kept */
    const void *from;
};

typedef struct Tape Tape;
typedef struct Probe Probe;

typedef struct {
    Arena *arena;   /* borrowed: where everything of the pass lives */
    Tape *tape;     /* NULL: inference, nothing is recorded */
    Probe *probe;   /* NULL, or who wants to see named values */
    Error *error;   /* borrowed, never NULL */
    bool recompute; /* with a tape: blocks keep only their input and run again on the way back */
} Run;

/* A new matrix, not cleared. NULL after a failure. */
Mat *mat_new(Run *run, int64_t rows, int64_t cols);
/* A matrix that keeps no values: what is cheap to form and used by few layers. `from` must live
 * as long. NULL after a failure. */
Mat *mat_formed(Run *run, int64_t rows, int64_t cols, Fill *fill, const void *from);
/* The values of x: its own, or formed now, in scratch memory of the pass. NULL after a failure. */
float *mat_values(Run *run, const Mat *x);
/* A view of columns first .. first + count - 1 that shares data and gradient. NULL for NULL. */
Mat *mat_columns(Run *run, Mat *x, int64_t first, int64_t count);
/* The gradient of x, cleared when it is first asked for, or NULL after a failure. */
float *mat_grad(Run *run, Mat *x);
/* Scratch memory of the pass: arena_alloc with the run's error. */
void *run_alloc(Run *run, int64_t count, size_t size);

/* A pass backward of one layer; `saved` is what tape_record returned. */
typedef void Backward(Run *run, void *saved);

/* Records `backward` and returns `size` cleared bytes that it will be given, to fill in; NULL
 * without a tape or after a failure. */
void *tape_record(Run *run, Backward *backward, size_t size);
/* A tape that records into run's arena; NULL after a failure. */
Tape *tape_new(Run *run);
/* Runs all recorded backward functions, last first, and empties the tape. What they need (the
 * gradient of the end) must have been set. */
void run_backward(Run *run);

/* One block of a model: x [N,D] -> y [N,D], by `f`. Inference: the memory that f took is
 * released, the result replaces x's values. Training: what f computed is kept, the gradients of
 * it are released as soon as the block has been walked back; of values from outside only x and
 * parameters may have one. With run->recompute only x is kept, f runs a second time on the way
 * back. */
typedef Mat *Block(Run *run, void *context, Mat *x);
Mat *run_block(Run *run, Block *f, const void *context, size_t context_size, Mat *x);

#endif
