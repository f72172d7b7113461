/* Products of matrices, c = a b or c += a b, in one of three ways:
 *   few rows    each weight row is read once, as it is stored (kernels->stream)
 *   tiles       the usual way, on registers or a CPU's matrix tiles (kernels->fastest)
 *   blocks      in sets without tiles, by BLAS or plain C (gemm_block)
 * On tiles, all of a is packed once into panels, a chunk of k at a time. Then each thread takes
 * blocks of c's columns, packs its part of b, and multiplies: it is in packing that weights become
 * what is multiplied, float32 or parts of it.
 *
 * The invariant: an element of c is one sum over k in fixed chunks, whoever computes it, so the
 * bits do not depend on the number of threads. */
#include "tensor/gemm.h"

#include "base/number.h"
#include "base/parallel.h"
#include "kernel/kernels.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    COLUMNS = 128, /* of c in the block that a thread takes at a time */
    ROWS = 960,    /* of c in that block, at most about */
    GROUP = 8,     /* panels of a that a thread packs at a time; a block has at least as many */
    STRIP = 96,    /* weight rows that a thread streams at a time: at most, in multiples of STEP */
    STEP = 12,
    MAX_TILE = 16 * 64 /* values of the largest tile */
};

/* A factor [count, K] of a product: the stored matrix or, without `rows`, its transpose. */
typedef struct {
    Weight w;
    bool rows;
} Factor;

/* A float32 matrix with rows of that length. */
static Weight floats(const float *x, int64_t width)
{
    return (Weight){x, F32, width, NULL};
}

/* The bytes of a row in a panel of a, or with `right` of b. */
static int64_t packed_row(const Tile *t, bool right, int64_t K)
{
    return round_up(K, t->step) * (right ? t->right_bytes : t->left_bytes);
}

/* The panels of rows first .. first + count - 1 of a factor, from k0 on, one after another. */
static void pack_panels(unsigned char *out, const Tile *t, bool right, const Factor *f, int64_t first,
                        int64_t count, int64_t k0, int64_t K)
{
    const int64_t width = right ? t->cols : t->rows;
    const int64_t row = packed_row(t, right, K);
    if (!f->rows) {
        const Weight part = weight_part(&f->w, k0, first);
        t->pack_columns(out, right, &part, count, K);
        return;
    }
    for (int64_t i = 0; i < count; i += width) {
        const Weight part = weight_part(&f->w, first + i, k0);
        t->pack(out + i * row, right, &part, min_i64(width, count - i), K);
    }
}

typedef struct {
    float *c;
    int64_t ldc, M, N, K;
    Factor b;
    bool add;
    const Tile *tile;
    const unsigned char *a; /* packed: chunks of k, in each all panels */
    int64_t panels;         /* of a */
} Product;

/* One tile. At the edges of c, what lies beyond them is dropped. */
static void multiply_tile(const Product *p, const unsigned char *a, const unsigned char *b, int64_t m,
                          int64_t n, int64_t K, bool add)
{
    const Tile *t = p->tile;
    int64_t rows = min_i64(t->rows, p->M - m);
    int64_t columns = min_i64(t->cols, p->N - n);
    float *c = p->c + m * p->ldc + n;
    if (rows == t->rows && columns == t->cols) {
        t->multiply(c, p->ldc, a, b, K, add);
        return;
    }
    float whole[MAX_TILE];
    t->multiply(whole, t->cols, a, b, K, false);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++)
            c[i * p->ldc + j] = whole[i * t->cols + j] + (add ? c[i * p->ldc + j] : 0);
}

/* The block of c from (m0, n0) on, up to row m1 (not included) and COLUMNS columns. */
static void multiply_block(const Product *p, int64_t m0, int64_t m1, int64_t n0, unsigned char *scratch)
{
    const Tile *t = p->tile;
    int64_t n1 = min_i64(n0 + COLUMNS, p->N);
    if (t->start)
        t->start();
    for (int64_t k0 = 0; k0 < p->K; k0 += t->chunk) {
        int64_t K = min_i64(t->chunk, p->K - k0);
        const int64_t left = packed_row(t, false, K);
        const int64_t right = packed_row(t, true, K);
        const unsigned char *a = p->a + p->panels * t->rows * packed_row(t, false, k0);
        pack_panels(scratch, t, true, &p->b, n0, n1 - n0, k0, K);
        for (int64_t m = m0; m < m1; m += t->rows)
            for (int64_t n = n0; n < n1; n += t->cols)
                multiply_tile(p, a + m * left, scratch + (n - n0) * right, m, n, K, p->add || k0);
    }
    if (t->stop)
        t->stop();
}

/* All of a, packed; NULL after a failure. */
static const unsigned char *pack_all(Run *run, const Tile *t, const Factor *a, int64_t M, int64_t K,
                                     int64_t panels)
{
    int64_t chunks = ceil_div(K, t->chunk);
    int64_t groups = ceil_div(panels, GROUP);
    int64_t rows = GROUP * t->rows;
    unsigned char *out = run_alloc(run, panels * t->rows, (size_t)packed_row(t, false, K));
    if (!out)
        return NULL;
#pragma omp parallel for schedule(static) if (parallel_worth(M * K))
    for (int64_t i = 0; i < chunks * groups; i++) {
        int64_t k0 = i / groups * t->chunk;
        int64_t m = i % groups * rows;
        int64_t part = min_i64(t->chunk, K - k0);
        pack_panels(out + panels * t->rows * packed_row(t, false, k0) + m * packed_row(t, false, part), t,
                    false, a, m, min_i64(rows, M - m), k0, part);
    }
    return out;
}

/* Bytes of a thread's part of b. */
static int64_t tile_scratch(const Tile *t)
{
    return (COLUMNS + t->cols) * packed_row(t, true, t->chunk);
}

static void multiply(Run *run, float *c, int64_t M, int64_t N, int64_t K, Factor a, Factor b, bool add)
{
    ArenaMark mark = arena_mark(run->arena);
    const Tile *t = b.w.type == BF16 ? kernels->fastest_bf16 : kernels->fastest;
    const int64_t panels = ceil_div(M, t->rows);
    const int64_t size = tile_scratch(t);
    assert(COLUMNS % t->cols == 0 && t->rows * t->cols <= MAX_TILE);
    const Product p = {c, N, M, N, K, b, add, t, pack_all(run, t, &a, M, K, panels), panels};
    unsigned char *scratch = run_alloc(run, size * parallel_threads(), 1);
    /* At least two blocks per thread, but none of few rows, because each packs its part of b. */
    const int64_t across = ceil_div(N, COLUMNS);
    const int64_t wanted = min_i64(ceil_div(2 * parallel_threads(), across), ceil_div(panels, GROUP));
    const int64_t rows = ceil_div(panels, max_i64(ceil_div(M, ROWS), wanted)) * t->rows;
    const int64_t down = ceil_div(M, rows);
    if (p.a && scratch) {
#pragma omp parallel for schedule(dynamic) if (parallel_worth(M * N * K / 16))
        for (int64_t i = 0; i < down * across; i++)
            multiply_block(&p, i % down * rows, min_i64((i % down + 1) * rows, M), i / down * COLUMNS,
                           scratch + size * parallel_index());
    }
    arena_release(run->arena, mark);
}

/* Few rows, as in decoding: each weight row is read once, as it is stored, and multiplied with all
 * rows of x. */
static void stream(Run *run, float *y, const float *x, const Weight *w, int64_t N, int64_t O, int64_t I)
{
    ArenaMark mark = arena_mark(run->arena);
    const int64_t width = kernels->stream_width(w->type, I);
    const int64_t strip = min_i64(STRIP, round_up(ceil_div(O, 4 * parallel_threads()), STEP));
    float *prepared = run_alloc(run, N * width, sizeof *prepared);
    if (prepared) {
#pragma omp parallel for schedule(static) if (parallel_worth(N * I))
        for (int64_t n = 0; n < N; n++)
            kernels->prepare(prepared + n * width, x + n * I, w->type, I);
#pragma omp parallel for schedule(static) if (parallel_worth(N * O * I / 4))
        for (int64_t o = 0; o < O; o += strip) {
            const Weight part = weight_part(w, o, 0);
            kernels->stream(y + o, O, prepared, &part, N, min_i64(strip, O - o), I);
        }
    }
    arena_release(run->arena, mark);
}

/* For sets without a tile, by gemm_block (BLAS, or plain C), COLUMNS columns of c at a time. Their
 * part of b is widened first where it is not float32. */
static void multiply_by_blocks(Run *run, float *c, int64_t M, int64_t N, int64_t K, const Factor *a,
                               const Factor *b, bool add)
{
    ArenaMark mark = arena_mark(run->arena);
    const bool wide = b->w.type == F32;
    float *scratch = run_alloc(run, wide ? 0 : COLUMNS * K * parallel_threads(), sizeof *scratch);
    if (scratch) {
#pragma omp parallel for schedule(dynamic) if (parallel_worth(M * N * K / 16))
        for (int64_t n = 0; n < N; n += COLUMNS) {
            const int64_t columns = min_i64(COLUMNS, N - n);
            Weight part = b->rows ? weight_part(&b->w, n, 0) : weight_part(&b->w, 0, n);
            if (!wide) {
                float *copy = scratch + parallel_index() * COLUMNS * K;
                const int64_t width = b->rows ? K : columns;
                for (int64_t i = 0; i < (b->rows ? columns : K); i++)
                    kernels->widen(copy + i * width, weight_at(&part, i, 0), part.type, width);
                part = floats(copy, width);
            }
            gemm_block(!a->rows, b->rows, M, columns, K, 1, a->w.data, a->w.stride, part.data, part.stride,
                       add, c + n, N);
        }
    }
    arena_release(run->arena, mark);
}

int64_t gemm_packed(int64_t rows, int64_t K)
{
    const Tile *t = kernels->fastest;
    return t ? round_up(rows, t->rows) * packed_row(t, false, K) : 0;
}

int64_t gemm_scratch(int64_t K)
{
    return parallel_threads() *
           (kernels->fastest ? max_i64(tile_scratch(kernels->fastest), tile_scratch(kernels->fastest_bf16))
                             : COLUMNS * K * (int64_t)sizeof(float));
}

static void product(Run *run, float *c, int64_t M, int64_t N, int64_t K, Factor a, Factor b, bool add)
{
    if (kernels->fastest)
        multiply(run, c, M, N, K, a, b, add);
    else
        multiply_by_blocks(run, c, M, N, K, &a, &b, add);
}

void gemm_forward(Run *run, float *y, const float *x, const Weight *w, int64_t N, int64_t O, int64_t I)
{
    if (N <= kernels->few)
        stream(run, y, x, w, N, O, I);
    else
        product(run, y, N, O, I, (Factor){floats(x, I), true}, (Factor){*w, true}, false);
}

void gemm_forward_add(Run *run, float *y, const float *x, const Weight *w, int64_t N, int64_t O, int64_t I)
{
    product(run, y, N, O, I, (Factor){floats(x, I), true}, (Factor){*w, true}, true);
}

void gemm_input_grad(Run *run, float *dx, const float *dy, const Weight *w, int64_t N, int64_t O, int64_t I)
{
    product(run, dx, N, I, O, (Factor){floats(dy, O), true}, (Factor){*w, false}, true);
}

void gemm_weight_grad(Run *run, float *dw, const float *dy, const float *x, int64_t N, int64_t O, int64_t I)
{
    product(run, dw, O, I, N, (Factor){floats(dy, O), false}, (Factor){floats(x, I), false}, true);
}

/* Checks one product of each kind on matrix tiles: a system may switch them off, an emulator may
 * get them wrong. */
static bool tiles_work(void)
{
    enum { N = 33, O = 17, I = 40 };
    Arena arena;
    Error e = {0};
    arena_init(&arena);
    Run run = {.arena = &arena, .error = &e};
    float x[N * I], y[N * O], wide[O * I], from_wide[N * O];
    uint16_t w[O * I];
    for (int i = 0; i < N * I; i++)
        x[i] = (float)(i % 19 - 9) / 7;
    for (int i = 0; i < O * I; i++) {
        wide[i] = (float)(i % 23 - 11);
        w[i] = bf16_store(wide[i]);
    }
    multiply(&run, y, N, O, I, (Factor){floats(x, I), true}, (Factor){{w, BF16, I, NULL}, true}, false);
    multiply(&run, from_wide, N, O, I, (Factor){floats(x, I), true}, (Factor){floats(wide, I), true}, false);
    bool good = e.status == OK;
    for (int n = 0; n < N; n++)
        for (int o = 0; o < O; o++) {
            double sum = 0;
            for (int i = 0; i < I; i++)
                sum += (double)x[n * I + i] * (double)bf16_load(w[o * I + i]);
            good &=
                fabs((double)y[n * O + o] - sum) < 1e-3 && fabs((double)from_wide[n * O + o] - sum) < 1e-3;
        }
    arena_free(&arena);
    return good;
}

Status gemm_start(Error *e)
{
    if (e->status != OK)
        return e->status;
    const char *name = getenv("MPA_KERNELS");
    kernels_choose(name, e);
    gemm_block_start(!kernels->tile, e);
    if (e->status != OK || kernels->fastest == kernels->tile || tiles_work())
        return e->status;
    if (name && *name)
        return error_set(e, FAILED, "kernels %s give wrong products here", kernels->name);
    return kernels_choose("avx512", e);
}

const char *gemm_description(char text[GEMM_DESCRIPTION])
{
    snprintf(text, GEMM_DESCRIPTION, "kernels %s; %s", kernels->name, gemm_block_description());
    return text;
}
