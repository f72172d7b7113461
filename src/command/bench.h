/* What `mpa bench` measures: the machine (bench_machine.c), then a model on it (bench_model.c). */
#ifndef MPA_COMMAND_BENCH_H
#define MPA_COMMAND_BENCH_H

#include "model/vlm.h"

typedef struct {
    const char *name, *unit;
    double value;   /* per second in `unit`s; 0: not measured, `note` says why */
    double seconds; /* of one pass, step or picture */
    double part;    /* of what the machine can do, 0 to 1; 0: not stated */
    char note[100];
} Figure;

typedef struct {
    Vlm vlm;
    Arena arena;
    Error *error;
    /* What this machine does in a second: float32 operations of a product, bytes read from memory;
     * 0: not measured. */
    double flops, bytes;
    int64_t tokens;      /* of a training sample; 0: as many as the answer and the picture have */
    const char *offload; /* level.offload of the training steps; NULL: none. Borrowed */
    Figure figure[8];
    int figures;
} Bench;

/* BAD_USAGE where `only`, names of parts separated by commas, names an unknown part. */
Status bench_check_parts(const char *only, Error *e);
/* Measures the parts that `only` names; NULL: all. Random ids and pictures of noise. */
void bench_measure(Bench *b, const char *only);

/* Measures once; `what` is what it was given. *seconds: how long it took. */
typedef Status Measurement(Bench *b, void *what, double *seconds);
/* The median of BENCH_REPEATS measurements, after one that does not count; 0 after a failure. */
enum { BENCH_REPEATS = 3 };
double bench_median(Bench *b, Measurement *measure, void *what);
/* A figure of `count` units in so many seconds, in which `work` was done; `limit`: the work that
 * the machine does in a second, 0 where that is not known. */
Figure *bench_add(Bench *b, const char *name, const char *unit, double count, double seconds, double work,
                  double limit);

void bench_machine(Bench *b);
void bench_prefill(Bench *b);
void bench_decoding(Bench *b);
void bench_vision(Bench *b);
void bench_lora(Bench *b);
void bench_training(Bench *b);

#endif
