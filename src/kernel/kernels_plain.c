/* The set "plain": C99 without vector types, on every machine. */
#include "kernel/kernels_loops.h"
#include "kernel/scalar.h"

const Kernels kernels_plain = {
    .name = "plain",
    .widen = dtype_widen,
    .few = 8,
    .stream_width = scalar_stream_width,
    .prepare = scalar_prepare,
    .stream = scalar_stream,
    .scores = scalar_scores,
    .mix = scalar_mix,
    .max = scalar_max,
    .exp_sum = scalar_exp_sum,
    .sigmoid = scalar_sigmoid,
    .square_sum = square_sum,
    .adamw = adamw,
};
