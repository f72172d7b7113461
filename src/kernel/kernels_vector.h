/* The body of the sets that use vector registers. It is written with the vector types of GCC and
 * clang, which become the instructions that the including file is compiled for. That file defines
 *   SET, TITLE                 the variable to define, and its name
 *   WIDTH                      floats in a register
 *   TILE_ROWS, TILE_VECTORS    the registers of a tile: rows, and vectors in each
 *   STREAM_MAX, STREAM_ROWS, STREAM_COLS    few, and the registers of `stream` (kernels_stream.h)
 *   EVENS, ODDS, INTERLEAVE_LOW, INTERLEAVE_HIGH, EACH_FOLD    shuffles of two registers
 *   TILES                      where the CPU has matrix tiles (kernels_tiles.h) */
#include "base/number.h"
#include "kernel/kernels_loops.h"
#include "kernel/scalar.h"

#include <string.h>

enum { TILE_COLS = TILE_VECTORS * WIDTH };

typedef float V __attribute__((vector_size(4 * WIDTH)));
typedef int32_t S __attribute__((vector_size(4 * WIDTH)));
typedef uint32_t U __attribute__((vector_size(4 * WIDTH)));
typedef uint16_t H __attribute__((vector_size(2 * WIDTH)));
/* The same where memory need not be aligned. */
typedef V UV __attribute__((aligned(1), may_alias));
typedef U UU __attribute__((aligned(1), may_alias));
typedef H UH __attribute__((aligned(1), may_alias));

#define INLINE static inline __attribute__((always_inline))
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define UNROLL _Pragma("GCC unroll 32")
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (S){__VA_ARGS__})
#endif

INLINE V load(const float *p)
{
    return *(const UV *)p;
}

INLINE void store(float *p, V v)
{
    *(UV *)p = v;
}

INLINE V all(float x)
{
    return x - (V){0};
}

INLINE V load_bf16(const uint16_t *p)
{
    return (V)(__builtin_convertvector(*(const UH *)p, U) << 16);
}

/* Weights come from memory that was not touched since the last pass, in strides that the CPU does not foresee. What is packed
 * asks for what comes next: so many bytes on in its rows, so many rows on in its columns. (Tried: 128 to 1024 bytes, 4 to 64 rows.) */
enum { ROW_AHEAD = 256, ROWS_AHEAD = 8 };

/* Asks for the memory so many bytes behind p; there may be none. */
INLINE void ask_ahead(const void *p, int64_t bytes)
{
    __builtin_prefetch((const void *)((uintptr_t)p + (uintptr_t)bytes));
}

/* Of F32, F16 or BF16: dtype_size, known while compiling. */
INLINE int64_t bytes_of(Dtype type)
{
    return type == F32 ? 4 : 2;
}

INLINE V load_as(const void *p, Dtype type, int64_t at)
{
    return type == F32 ? load((const float *)p + at) : load_bf16((const uint16_t *)p + at);
}

/* The sum of a register's floats. Each fold adds to every float its partner in the other half, then
 * in the other quarter, and so on. */
INLINE float sum_of(V v)
{
#define FOLD(...) v += SHUFFLE(v, v, __VA_ARGS__);
    EACH_FOLD
#undef FOLD
    return v[0];
}

/* ---- products of blocks ---- */

static void tile(float *c, int64_t ldc, const void *left, const void *top, int64_t K, bool add)
{
    const float *a = left;
    const float *b = top;
    V sum[TILE_ROWS][TILE_VECTORS];
    for (int m = 0; add && m < TILE_ROWS; m++)
        for (int j = 0; j < TILE_VECTORS; j++)
            __builtin_prefetch(c + m * ldc + j * WIDTH, 1);
    UNROLL for (int m = 0; m < TILE_ROWS; m++) UNROLL for (int j = 0; j < TILE_VECTORS; j++) sum[m][j] =
        (V){0};
    for (int64_t k = 0; k < K; k++) {
        V right[TILE_VECTORS];
        UNROLL for (int j = 0; j < TILE_VECTORS; j++) right[j] = load(b + j * WIDTH);
        UNROLL for (int m = 0; m < TILE_ROWS; m++) UNROLL for (int j = 0; j < TILE_VECTORS; j++) sum[m][j] +=
            all(a[m]) * right[j];
        a += TILE_ROWS;
        b += TILE_COLS;
    }
    UNROLL for (int m = 0; m < TILE_ROWS; m++) UNROLL for (int j = 0; j < TILE_VECTORS; j++)
    {
        float *to = c + m * ldc + j * WIDTH;
        store(to, add ? load(to) + sum[m][j] : sum[m][j]);
    }
}

/* Rows become columns: log2(WIDTH) times, the first half of the rows is interleaved with the
 * second. */
INLINE void transpose(V row[WIDTH])
{
    UNROLL for (int step = 1; step < WIDTH; step *= 2)
    {
        V next[WIDTH];
        UNROLL for (int i = 0; i < WIDTH / 2; i++)
        {
            next[2 * i] = SHUFFLE(row[i], row[i + WIDTH / 2], INTERLEAVE_LOW);
            next[2 * i + 1] = SHUFFLE(row[i], row[i + WIDTH / 2], INTERLEAVE_HIGH);
        }
        UNROLL for (int i = 0; i < WIDTH; i++) row[i] = next[i];
    }
}

static void widen(float *out, const void *in, Dtype type, int64_t count)
{
    int64_t i = 0;
    if (type == BF16)
        for (; i + WIDTH <= count; i += WIDTH)
            store(out + i, load_bf16((const uint16_t *)in + i));
    if (i < count)
        dtype_widen(out + i, (const unsigned char *)in + (size_t)i * dtype_size(type), type, count - i);
}

/* `columns` columns of a panel, from `rows` rows of K values; columns without a row become 0. Takes
 * WIDTH values of k at a time, the rest one by one. Fewer columns than WIDTH are the whole panel. */
INLINE void pack_group(float *out, int width, const void *from, Dtype type, int64_t stride, int64_t rows,
                       int64_t columns, int64_t K)
{
    const int64_t size = bytes_of(type);
    int64_t k = 0;
    assert(columns == WIDTH || columns == width);
    for (; k + WIDTH <= K; k += WIDTH) {
        V row[WIDTH];
        for (int64_t r = 0; r < rows; r++)
            ask_ahead(from, (r * stride + k) * size + ROW_AHEAD);
        UNROLL for (int r = 0; r < WIDTH; r++) row[r] =
            r < rows ? load_as(from, type, r * stride + k) : (V){0};
        transpose(row);
        /* What a whole store writes too much of, the next one replaces; after the last there is none. */
        UNROLL for (int r = 0; r < WIDTH - 1; r++) store(out + (k + r) * width, row[r]);
        if (columns == WIDTH || k + WIDTH < K)
            store(out + (k + WIDTH - 1) * width, row[WIDTH - 1]);
        else
            for (int64_t c = 0; c < columns; c++)
                out[(k + WIDTH - 1) * width + c] = row[WIDTH - 1][c];
    }
    for (; k < K; k++)
        for (int64_t r = 0; r < columns; r++)
            if (r < rows)
                widen(out + k * width + r,
                      (const unsigned char *)from + (size_t)(r * stride + k) * dtype_size(type), type, 1);
            else
                out[k * width + r] = 0;
}

static void pack(void *panel, bool right, const Weight *w, int64_t rows, int64_t K)
{
    float *out = panel;
    const int width = right ? TILE_COLS : TILE_ROWS;
    if (w->type != F32 && w->type != BF16) {
        scalar_pack(out, width, w, rows, K);
        return;
    }
    for (int64_t first = 0; first < width; first += WIDTH) {
        const int64_t columns = min_i64(width - first, WIDTH);
        const int64_t some = max_i64(0, min_i64(rows - first, columns));
        const void *from = weight_at(w, some ? first : 0, 0);
        if (w->type == F32)
            pack_group(out + first, width, from, F32, w->stride, some, columns, K);
        else
            pack_group(out + first, width, from, BF16, w->stride, some, columns, K);
    }
}

/* out[ACROSS] = in[count] as float32, then zeros. */
INLINE void copy_columns(const int ACROSS, const Dtype TYPE, float *out, const unsigned char *in,
                         int64_t count)
{
    if (count < ACROSS) {
        memset(out, 0, (size_t)ACROSS * sizeof *out);
        widen(out, in, TYPE, count);
    } else if (TYPE == F32) {
        memcpy(out, in, (size_t)ACROSS * sizeof *out);
    } else {
        widen(out, in, TYPE, ACROSS);
    }
}

/* Fills all panels one row of the matrix after another, so that a page of memory is visited
 * once. */
INLINE void pack_across(const int ACROSS, const Dtype TYPE, float *out, const unsigned char *from,
                        int64_t stride, int64_t count, int64_t K)
{
    const int64_t size = bytes_of(TYPE);
    for (int64_t k = 0; k < K; k++)
        for (int64_t i = 0; i < count; i += ACROSS) {
            ask_ahead(from, ((k + ROWS_AHEAD) * stride + i) * size);
            ask_ahead(from, ((k + ROWS_AHEAD) * stride + i + ACROSS / 2) * size);
            copy_columns(ACROSS, TYPE, out + i * K + k * ACROSS, from + (k * stride + i) * size, count - i);
        }
}

static void pack_columns(void *out, bool right, const Weight *w, int64_t count, int64_t K)
{
    const void *from = weight_at(w, 0, 0);
    if (!right && w->type == F32)
        pack_across(TILE_ROWS, F32, out, from, w->stride, count, K);
    else if (w->type == F32)
        pack_across(TILE_COLS, F32, out, from, w->stride, count, K);
    else
        pack_across(right ? TILE_COLS : TILE_ROWS, w->type, out, from, w->stride, count, K);
}

#include "kernel/kernels_stream.h"

/* ---- elementary functions ---- */

INLINE V choose(S mask, V yes, V no)
{
    return (V)((mask & (S)yes) | (~mask & (S)no));
}

static float largest_of(const float *x, int64_t count)
{
    if (count < WIDTH)
        return scalar_max(x, count);
    V largest = load(x);
    for (int64_t i = WIDTH; i < count; i += WIDTH) {
        V v = load(x + min_i64(i, count - WIDTH)); /* the last vector may overlap the one before */
        largest = choose(v > largest, v, largest);
    }
    float each[WIDTH];
    memcpy(each, &largest, sizeof each);
    return scalar_max(each, WIDTH);
}

/* As exp_float in scalar.c. */
INLINE V exp_of(V x)
{
    const float magic = 12582912.0f;
    x = choose(x < -87.0f, all(-87.0f), x);
    x = choose(x > 88.0f, all(88.0f), x);
    V t = x * 1.44269504f + magic;
    V n = t - magic;
    V r = x - n * 0.693359375f + n * 2.12194440e-4f;
    V p = all(1.9875691500e-4f);
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + (r + 1.0f);
    return p * (V)(((U)t - 0x4B400000 + 127) << 23);
}

static double exp_sum(float *x, float shift, int64_t count)
{
    enum { CHUNK = 32 * WIDTH };
    double sum = 0;
    for (int64_t i = 0; i + WIDTH <= count; i += CHUNK) {
        V part = {0};
        for (int64_t k = i; k < i + CHUNK && k + WIDTH <= count; k += WIDTH) {
            V y = exp_of(load(x + k) - shift);
            store(x + k, y);
            part += y;
        }
        sum += (double)sum_of(part);
    }
    int64_t whole = count / WIDTH * WIDTH;
    return whole < count ? sum + scalar_exp_sum(x + whole, shift, count - whole) : sum;
}

static void softmax(float *x, int64_t K, float scale, float *max, double *sum)
{
    enum { CHUNK = 32 };
    for (int j = 0; j < TILE_COLS; j += WIDTH) {
        V largest = load(x + j);
        for (int64_t k = 1; k < K; k++) {
            V v = load(x + k * TILE_COLS + j);
            largest = choose(v > largest, v, largest);
        }
        largest *= scale;
        store(max + j, largest);
        for (int i = 0; i < WIDTH; i++)
            sum[j + i] = 0;
        for (int64_t k0 = 0; k0 < K; k0 += CHUNK) {
            V part = {0};
            for (int64_t k = k0; k < k0 + CHUNK && k < K; k++) {
                V y = exp_of(load(x + k * TILE_COLS + j) * scale - largest);
                store(x + k * TILE_COLS + j, y);
                part += y;
            }
            for (int i = 0; i < WIDTH; i++)
                sum[j + i] += (double)part[i];
        }
    }
}

static void softmax_bwd(float *x, float *slope, int64_t K, float scale, const float *max,
                        const float *inv_sum, const float *mean)
{
    for (int j = 0; j < TILE_COLS; j += WIDTH) {
        const V largest = load(max + j);
        const V inverse = load(inv_sum + j);
        const V shift = load(mean + j);
        for (int64_t at = j; at < K * TILE_COLS; at += TILE_COLS) {
            V p = exp_of(load(x + at) * scale - largest) * inverse;
            store(x + at, p);
            store(slope + at, p * (load(slope + at) - shift));
        }
    }
}

static void sigmoid(float *x, int64_t count)
{
    int64_t i = 0;
    for (; i + WIDTH <= count; i += WIDTH)
        store(x + i, 1.0f / (1.0f + exp_of(-load(x + i))));
    scalar_sigmoid(x + i, count - i);
}

#ifdef TILES
#include "kernel/kernels_tiles.h"
#endif

static const Tile float_tile = {.rows = TILE_ROWS,
                                .cols = TILE_COLS,
                                .left_bytes = sizeof(float),
                                .right_bytes = sizeof(float),
                                .step = 1,
                                .chunk = 256,
                                .multiply = tile,
                                .pack = pack,
                                .pack_columns = pack_columns};

const Kernels SET = {
    .name = TITLE,
    .tile = &float_tile,
    .widen = widen,
    .few = STREAM_MAX,
    .stream_width = stream_width,
    .prepare = prepare,
    .stream = stream,
    .scores = scores,
    .mix = mix,
    .max = largest_of,
    .exp_sum = exp_sum,
    .softmax = softmax,
    .softmax_bwd = softmax_bwd,
    .sigmoid = sigmoid,
#ifdef TILES
    .fastest = &split_tile,
    .fastest_bf16 = &half_tile,
#else
    .fastest = &float_tile,
    .fastest_bf16 = &float_tile,
#endif
    .square_sum = square_sum,
    .adamw = adamw,
};
