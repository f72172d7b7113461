/* A bench for one layer: feeds it from golden/layer, compares what comes out and all gradients, and then what needs no golden: the same bits without
 * a tape and with any number of threads, gradients that are added to what is there, and slopes by central differences. */
#ifndef MPA_TESTS_LAYER_BENCH_H
#define MPA_TESTS_LAYER_BENCH_H

#include "golden.h"

#include "layer/layer.h"

enum { BENCH_INPUTS = 4 };

typedef struct {
    Golden g;
    Arena arena;
    Error error;
    Run run;
    double step;  /* every floating-point input is moved by step times a fixed pattern */
    float before; /* what stands in the parameters' gradients before the pass: gradients are added */
    struct {
        const char *name; /* golden tensor; its gradient is "d" and this name */
        Mat *mat;         /* one of these two is NULL */
        Param *param;
    } input[BENCH_INPUTS];
    int inputs;
} Bench;

/* Inputs by the name of the golden tensor; arena memory. */
Mat *bench_mat(Bench *b, const char *tensor);
Param *bench_param(Bench *b, const char *tensor);
int32_t *bench_ints(Bench *b, const char *tensor);

/* Builds its inputs with the functions above and returns the layer's output. */
typedef Mat *BenchForward(Bench *b);

/* Runs all of the above on golden/layer/CASE; fails the running test, naming `read`, the source file to look into. */
void bench_layer(const char *golden, BenchForward *forward, const char *read);

#endif
