/* Kernels for AVX-512 (F, BW, DQ, VL). Compiled with those instructions on (Makefile); called
 * only where the CPU has them. */
#if defined(__AVX512F__) && defined(__AVX512BW__)
#define SET kernels_avx512
#define TITLE "avx512"
#include "kernel/kernels_avx512.h"
#else
typedef int no_avx512; /* C wants a declaration in every file */
#endif
