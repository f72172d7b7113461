/* The instructions of matrix tiles (AMX-BF16) in C, as Intel's manual defines them, for GCC and clang: src/kernel/kernels_tiles.h
 * behind this header runs on any CPU. tests/kernel/tiles_test.c includes it, and `make KERNELS=emulated` builds a whole mpa with it. */
#ifndef MPA_TESTS_EMULATED_TILES_H
#define MPA_TESTS_EMULATED_TILES_H

#include <stdint.h>
#include <string.h>

/* Eight tiles of 16 rows of 64 bytes, and whether emulated_config() gave all of them that shape: each thread's own, as registers are. */
static __thread unsigned char emulated_tile[8][16][64];
static __thread int emulated_shape;

static inline void emulated_config(const void *p)
{
    const unsigned char *shape = p;
    emulated_shape = shape[0] == 1;
    for (int t = 0; t < 8; t++)
        emulated_shape &= shape[16 + 2 * t] == 64 && shape[17 + 2 * t] == 0 && shape[48 + t] == 16;
}

static inline void emulated_move(int t, const void *memory, int64_t stride, int to_memory)
{
    for (int r = 0; r < 16; r++) {
        unsigned char *row = (unsigned char *)(uintptr_t)memory + r * stride;
        memcpy(to_memory ? row : emulated_tile[t][r], to_memory ? emulated_tile[t][r] : row, 64);
    }
}

typedef float EmulatedFloats __attribute__((vector_size(64)));
typedef uint32_t EmulatedWords __attribute__((vector_size(64)));

/* c[16,16] += the products of a's rows with b's pairs of rows; the word of a pair has its first number in the lower half. */
static inline void emulated_product(int c, int a, int b)
{
    for (int m = 0; emulated_shape && m < 16; m++) {
        uint32_t left[16];
        EmulatedFloats sum;
        memcpy(left, emulated_tile[a][m], sizeof left);
        memcpy(&sum, emulated_tile[c][m], sizeof sum);
        for (int k = 0; k < 16; k++) {
            EmulatedWords right;
            const EmulatedWords none = {0};
            memcpy(&right, emulated_tile[b][k], sizeof right);
            sum += (EmulatedFloats)(none + (left[k] << 16)) * (EmulatedFloats)(right << 16);
            sum += (EmulatedFloats)(none + (left[k] & 0xFFFF0000u)) * (EmulatedFloats)(right & 0xFFFF0000u);
        }
        memcpy(emulated_tile[c][m], &sum, sizeof sum);
    }
}

#define _tile_loadconfig(p) emulated_config(p)
#define _tile_zero(t) memset(emulated_tile[t], 0, sizeof emulated_tile[t])
#define _tile_release() (emulated_shape = 0)
#define _tile_loadd(t, p, stride) emulated_move(t, p, stride, 0)
#define _tile_stored(t, p, stride) emulated_move(t, p, stride, 1)
#define _tile_dpbf16ps(c, a, b) emulated_product(c, a, b)

#endif
