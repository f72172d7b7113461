/* What `mpa bench` measures. */
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
    const char *only; /* names of parts, with commas; NULL: all */
    /* what this machine does in a second: float32 operations of a product, bytes read from
     * memory; 0: not measured */
    double flops, bytes;
    int64_t text_values;   /* of the matrices that every token is multiplied with, without the head */
    int64_t stream_bytes;  /* of those and the head, as stored: what one decoding step reads */
    int64_t vision_values; /* of the vision tower's matrices */
    Figure figure[8];
    int figures;
} Bench;

/* Measures the parts that `only` names. Random ids and pictures of noise. */
void bench_measure(Bench *b);
/* BAD_USAGE where `only` names an unknown part. */
Status bench_check_parts(const char *only, Error *e);

#endif
