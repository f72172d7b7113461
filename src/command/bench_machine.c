/* What this machine can do: the limits that the model's figures are compared with. */
#include "command/bench.h"

#include "base/log.h"
#include "base/parallel.h"
#include "tensor/gemm.h"

#include <string.h>

enum { SIDE = 1536, MEMORY = 1 << 28 };

/* A square product, by our own tiles or by BLAS. */
typedef struct {
    float *x, *w, *y;
    bool blas;
} Square;

/* y = x w' */
static Status square_product(Bench *b, void *what, double *seconds)
{
    const Square *s = what;
    Run run = {.arena = &b->arena, .error = b->error};
    const double begin = clock_seconds();
    if (s->blas) {
#pragma omp parallel for schedule(dynamic)
        for (int64_t o = 0; o < SIDE; o += SIDE / 8)
            gemm_block(false, true, SIDE, SIDE / 8, SIDE, 1, s->x, SIDE, s->w + o * SIDE, SIDE, 0, s->y + o,
                       SIDE);
    } else {
        gemm_forward(&run, s->y, s->x, &(Weight){s->w, F32, SIDE, NULL}, SIDE, SIDE, SIDE);
    }
    *seconds = clock_seconds() - begin;
    return b->error->status;
}

/* Each thread reads at four addresses at a time: one alone does not keep the memory busy. */
static Status read_memory(Bench *b, void *what, double *seconds)
{
    const uint64_t *data = what;
    const int64_t part = 1 << 14;
    uint64_t total = 0;
    const double begin = clock_seconds();
#pragma omp parallel for reduction(+ : total)
    for (int64_t i = 0; i < MEMORY / 8; i += 4 * part)
        for (int64_t k = i; k < i + part; k++)
            total += data[k] + data[k + part] + data[k + 2 * part] + data[k + 3 * part];
    *seconds = clock_seconds() - begin;
    if (!total)
        error_set(b->error, FAILED, "memory gave back other data than were written");
    return b->error->status;
}

void bench_machine(Bench *b)
{
    Square s = {.x = arena_zero(&b->arena, SIDE * SIDE, sizeof(float), b->error),
                .w = arena_zero(&b->arena, SIDE * SIDE, sizeof(float), b->error),
                .y = arena_zero(&b->arena, SIDE * SIDE, sizeof(float), b->error)};
    unsigned char *memory = arena_alloc(&b->arena, MEMORY, 1, b->error);
    if (b->error->status != OK)
        return;
    const double own = bench_median(b, square_product, &s);
    s.blas = true;
    const double blas = bench_median(b, square_product, &s);
    b->flops = 2.0 * SIDE * SIDE * SIDE / (own < blas ? own : blas);
    memset(memory, 1, MEMORY); /* pages that were never written to are all the same one */
    b->bytes = MEMORY / bench_median(b, read_memory, memory);
}
