#include "tensor/gemm.h"

#include "base/parallel.h"

/* BLOCK: output columns (weight rows) that one thread computes at a time; FEW: rows up to which decoding streams the weights. */
enum { BLOCK = 64, WIDE_BLOCK = 256, FEW = 8, LANES = 16 };

static int64_t block_size(int64_t count)
{
    return count >= 8 * WIDE_BLOCK ? WIDE_BLOCK : BLOCK;
}

/* `size` floats for each thread; NULL after a failure. */
static float *scratch_new(Run *run, int64_t size)
{
    return run_alloc(run, size * parallel_threads(), sizeof(float));
}

static float dot(const float *a, const float *b, int64_t count)
{
    float sum[LANES] = {0};
    int64_t i = 0;
    for (; i + LANES <= count; i += LANES)
        for (int j = 0; j < LANES; j++)
            sum[j] += a[i + j] * b[i + j];
    for (int j = 0; i < count; i++, j++)
        sum[j] += a[i] * b[i];
    for (int width = LANES / 2; width; width /= 2)
        for (int j = 0; j < width; j++)
            sum[j] += sum[j + width];
    return sum[0];
}

/* Decoding: every weight row is read once, widened into the cache and multiplied with all of the few rows of x. */
static void stream(float *y, const float *x, const void *w, Dtype type, int64_t N, int64_t O, int64_t I, float *scratch)
{
    size_t size = dtype_size(type);
#pragma omp parallel for schedule(static) if (parallel_worth(N * O * I / 4))
    for (int64_t o = 0; o < O; o++) {
        float *row = scratch + parallel_index() * I;
        dtype_widen(row, (const unsigned char *)w + (size_t)(o * I) * size, type, I);
        for (int64_t n = 0; n < N; n++)
            y[n * O + o] = dot(x + n * I, row, I);
    }
}

void gemm_forward(Run *run, float *y, const float *x, const void *w, Dtype type, int64_t N, int64_t O, int64_t I)
{
    ArenaMark mark = arena_mark(run->arena);
    int64_t block = block_size(O);
    bool few = run->decode && N <= FEW;
    float *scratch = scratch_new(run, few ? I : type == F32 ? 0 : block * I);
    if (scratch && few) {
        stream(y, x, w, type, N, O, I, scratch);
    } else if (scratch) {
#pragma omp parallel for schedule(dynamic) if (parallel_worth(N * O * I / 16))
        for (int64_t o = 0; o < O; o += block) {
            int64_t rows = O - o < block ? O - o : block;
            const float *part = (const float *)w + o * I;
            if (type != F32) {
                float *wide = scratch + parallel_index() * block * I;
                dtype_widen(wide, (const uint16_t *)w + o * I, type, rows * I);
                part = wide;
            }
            gemm_block(false, true, N, rows, I, 1, x, I, part, I, 0, y + o, O);
        }
    }
    arena_release(run->arena, mark);
}

void gemm_input_grad(Run *run, float *dx, const float *dy, const void *w, Dtype type, int64_t N, int64_t O, int64_t I)
{
    ArenaMark mark = arena_mark(run->arena);
    int64_t block = block_size(I);
    float *scratch = scratch_new(run, type == F32 ? 0 : block * O);
    if (scratch) {
#pragma omp parallel for schedule(dynamic) if (parallel_worth(N * O * I / 16))
        for (int64_t i = 0; i < I; i += block) {
            int64_t cols = I - i < block ? I - i : block, stride = I;
            const float *part = (const float *)w + i;
            if (type != F32) {
                float *wide = scratch + parallel_index() * block * O;
                for (int64_t o = 0; o < O; o++)
                    dtype_widen(wide + o * cols, (const uint16_t *)w + o * I + i, type, cols);
                part = wide;
                stride = cols;
            }
            gemm_block(false, false, N, cols, O, 1, dy, O, part, stride, 1, dx + i, I);
        }
    }
    arena_release(run->arena, mark);
}

void gemm_weight_grad(float *dw, const float *dy, const float *x, int64_t N, int64_t O, int64_t I)
{
    int64_t block = block_size(O);
#pragma omp parallel for schedule(dynamic) if (parallel_worth(N * O * I / 16))
    for (int64_t o = 0; o < O; o += block) {
        int64_t rows = O - o < block ? O - o : block;
        gemm_block(true, false, rows, I, N, 1, dy + o, O, x, I, 1, dw + o * I, I);
    }
}
