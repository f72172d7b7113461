/* The AVX-512 kernels with AMX's matrix tiles. Compiled with those instructions on, or behind tests/kernel/emulated_tiles.h
 * (Makefile); called only where CPU and system offer them. */
#if defined(KERNELS_EMULATED)
#define TITLE "amx-emulated"
#elif (defined(__AMX_BF16__) || defined(__AMXBF16__)) && defined(__AVX512BW__) /* GCC, clang */
#include <immintrin.h>
#define TITLE "amx"
#endif

#ifdef TITLE
#define SET kernels_amx
#define TILES
#include "kernel/kernels_avx512.h"
#else
typedef int no_amx; /* C wants a declaration in every file */
#endif
