/* Kernels for AVX2 with FMA: 16 registers of 8 floats. Compiled with those instructions on
 * (Makefile); called only where the CPU has them. */
#if defined(__AVX2__) && defined(__FMA__)
#define SET kernels_avx2
#define TITLE "avx2"
#define WIDTH 8
#define TILE_ROWS 6
#define TILE_VECTORS 2
#define STREAM_MAX 48
#define STREAM_ROWS 4
#define STREAM_COLS 2
#define EVENS 0, 2, 4, 6, 8, 10, 12, 14
#define ODDS 1, 3, 5, 7, 9, 11, 13, 15
#define INTERLEAVE_LOW 0, 8, 1, 9, 2, 10, 3, 11
#define INTERLEAVE_HIGH 4, 12, 5, 13, 6, 14, 7, 15
#define EACH_FOLD FOLD(4, 5, 6, 7, 0, 1, 2, 3) FOLD(2, 3, 0, 1, 6, 7, 4, 5) FOLD(1, 0, 3, 2, 5, 4, 7, 6)
#include "kernel/kernels_vector.h"
#else
typedef int no_avx2; /* C wants a declaration in every file */
#endif
