/* Products as exact as float32's on a CPU's matrix tiles (AMX-BF16). A float32 number is the sum
 * of three bf16 ones, x = x0 + x1 + x2, of 8 significant bits each: 24 in all. kernels_vector.h
 * includes this file where the set has TILES.
 *
 * y = x w' with weights in bf16 is three bf16 products added up in float32. The weights are the
 * first operand: their rows are loaded from the file's memory as they are, and only x is packed.
 * A product of tiles is c[16 outputs, 16 tokens] += a[16 outputs, 32 k] b[32 k, 16 tokens]; one
 * load of a serves all three parts of x.
 *
 * Two float32 operands, as in training, take six products, with both operands packed: the other
 * three of the nine lie below a float32's last bit. */

enum {
    TILE = 16,
    DEPTH = 32,
    PARTS = 3,
    CHUNK_K = 512,
    PANEL = 256,
    TILE_BYTES = 1024,
    TILE_VALUES = TILE_BYTES / 2
};

static void tiles_start(void)
{
    static const struct {
        uint8_t palette, start, none[14];
        uint16_t bytes[16];
        uint8_t rows[16];
    } shape = {1, 0, {0}, {64, 64, 64, 64, 64, 64, 64, 64}, {16, 16, 16, 16, 16, 16, 16, 16}};
    _tile_loadconfig(&shape);
}

static void tiles_stop(void)
{
    _tile_release();
}

/* The nearest bf16 of x, ties to even, in the upper half of each word. */
INLINE U upper(V x)
{
    U bits = (U)x;
    return (bits + 0x7FFFu + (bits >> 16 & 1u)) & 0xFFFF0000u;
}

/* word[part][i]: the parts of 16 pairs of numbers, in each word the first number in the lower
 * half. */
INLINE void split_pairs(V word[PARTS][TILE], int64_t i, V first, V second)
{
    UNROLL for (int part = 0; part < PARTS; part++)
    {
        U low = upper(first);
        U high = upper(second);
        word[part][i] = (V)(low >> 16 | high);
        first -= (V)low;
        second -= (V)high;
    }
}

/* out[room] = at most `count` values of w from (row, column) on, then zeros. A count below 0 is
 * 0. */
INLINE void fetch(float *out, const Weight *w, int64_t row, int64_t column, int64_t count, int64_t room)
{
    if (count < room)
        memset(out, 0, (size_t)room * sizeof *out);
    if (count > 0)
        widen(out, weight_at(w, row, column), w->type, count < room ? count : room);
}

/* 16 rows of w from (first, k) on, DEPTH values of each; those beyond `rows` and K are 0. Each
 * becomes a row of words. */
INLINE void split_rows(V word[PARTS][TILE], const Weight *w, int64_t first, int64_t k, int64_t rows,
                       int64_t K)
{
    for (int64_t n = 0; n < TILE; n++) {
        float row[DEPTH];
        fetch(row, w, first + n, k, n < rows ? K : 0, DEPTH);
        V low = load(row);
        V high = load(row + WIDTH);
        split_pairs(word, n, SHUFFLE(low, high, EVENS), SHUFFLE(low, high, ODDS));
    }
}

/* DEPTH rows of w from (k, first) on, 16 values of each; those beyond K and `columns` are 0.
 * Each pair of rows becomes a row of words. */
INLINE void split_columns(V word[PARTS][TILE], const Weight *w, int64_t k, int64_t first, int64_t columns,
                          int64_t K)
{
    for (int64_t i = 0; i < DEPTH; i += 2) {
        float row[2][TILE];
        for (int64_t odd = 0; odd < 2; odd++)
            fetch(row[odd], w, k + i + odd, first, i + odd < K ? columns : 0, TILE);
        split_pairs(word, i / 2, load(row[0]), load(row[1]));
    }
}

/* Stores the tile of each part, `step` values from one to the next. */
INLINE void store_parts(uint16_t *out, int64_t step, V word[PARTS][TILE], bool transposed)
{
    for (int part = 0; part < PARTS; part++) {
        if (transposed)
            transpose(word[part]);
        memcpy(out + part * step, word[part], TILE_BYTES);
    }
}

/* x[tokens, K] as tiles [K / 32][tokens / 16][part][pair of k][token][2]. Both counts are
 * rounded up to multiples of 32, with zeros. */
static void tiles_split(uint16_t *out, const float *x, int64_t stride, int64_t tokens, int64_t K)
{
    const Weight from = {x, F32, stride, NULL};
    for (int64_t k = 0; k < K; k += DEPTH)
        for (int64_t t = 0; t < round_up(tokens, 2 * TILE); t += TILE) {
            V word[PARTS][TILE];
            split_rows(word, &from, t, k, tokens - t, K - k);
            store_parts(out, TILE_VALUES, word, true);
            out += PARTS * TILE_VALUES;
        }
}

/* Tiles 0 to 3 hold the sums c[32, 32]; 4 and 5 hold two tiles of a, 6 and 7 two of b. */
#define LOAD_SUMS(c, ldc)                                                                                    \
    _tile_loadd(0, c, (ldc) * (int64_t)sizeof *(c));                                                         \
    _tile_loadd(1, (c) + TILE, (ldc) * (int64_t)sizeof *(c));                                                \
    _tile_loadd(2, (c) + TILE * (ldc), (ldc) * (int64_t)sizeof *(c));                                        \
    _tile_loadd(3, (c) + TILE * (ldc) + TILE, (ldc) * (int64_t)sizeof *(c))
#define STORE_SUMS(c, ldc)                                                                                   \
    _tile_stored(0, c, (ldc) * (int64_t)sizeof *(c));                                                        \
    _tile_stored(1, (c) + TILE, (ldc) * (int64_t)sizeof *(c));                                               \
    _tile_stored(2, (c) + TILE * (ldc), (ldc) * (int64_t)sizeof *(c));                                       \
    _tile_stored(3, (c) + TILE * (ldc) + TILE, (ldc) * (int64_t)sizeof *(c))
#define PRODUCTS()                                                                                           \
    _tile_dpbf16ps(0, 4, 6);                                                                                 \
    _tile_dpbf16ps(1, 4, 7);                                                                                 \
    _tile_dpbf16ps(2, 5, 6);                                                                                 \
    _tile_dpbf16ps(3, 5, 7)

/* 32 outputs x 32 tokens: c[32, PANEL] += a b over `blocks` blocks of k. The rows of a are
 * `stride` bytes apart; b is the first of two neighbouring tiles, `step` values before the next
 * block of k. */
static void tiles_block(float *c, const uint16_t *a, int64_t stride, const uint16_t *b, int64_t step,
                        int64_t blocks)
{
    /* the compiler does not know that tiles are loaded from memory and stored to it */
    __asm__ volatile("" ::: "memory");
    LOAD_SUMS(c, PANEL);
    for (int64_t k = 0; k < blocks; k++) {
        _tile_loadd(4, a, stride);
        _tile_loadd(5, (const char *)a + TILE * stride, stride);
        for (int part = PARTS - 1; part >= 0; part--) { /* the small ones first */
            _tile_loadd(6, b + part * TILE_VALUES, 64);
            _tile_loadd(7, b + (PARTS + part) * TILE_VALUES, 64);
            PRODUCTS();
        }
        a += DEPTH;
        b += step;
    }
    STORE_SUMS(c, PANEL);
    __asm__ volatile("" ::: "memory");
}

/* 32 rows of K weights as tiles load them: the weights themselves or, where rows or columns are
 * missing, a copy padded with zeros. *stride: bytes from row to row, of the weights, then of the
 * result. */
static const uint16_t *whole_rows(uint16_t *copy, const uint16_t *w, int64_t *stride, int64_t rows, int64_t K)
{
    if (rows == 2 * TILE && K % DEPTH == 0)
        return w;
    memset(copy, 0, 2 * TILE * CHUNK_K * sizeof *copy);
    for (int64_t r = 0; r < rows; r++)
        memcpy(copy + r * CHUNK_K, (const char *)w + r * *stride, (size_t)K * sizeof *w);
    *stride = CHUNK_K * sizeof *copy;
    return copy;
}

/* c[outputs, PANEL] += w x' for the split x and a chunk of k. c has room for a multiple of 32
 * outputs. */
static void tiles_multiply(float *c, const uint16_t *parts, int64_t tokens, const Weight *w, int64_t outputs,
                           int64_t K)
{
    uint16_t copy[2 * TILE * CHUNK_K];
    const int64_t blocks = round_up(K, DEPTH) / DEPTH;
    const int64_t step = round_up(tokens, 2 * TILE) / TILE * PARTS * TILE_VALUES;
    tiles_start();
    for (int64_t o = 0; o < outputs; o += 2 * TILE) {
        int64_t stride = w->stride * (int64_t)sizeof *copy;
        const uint16_t *a =
            whole_rows(copy, weight_at(w, o, 0), &stride, outputs - o < 2 * TILE ? outputs - o : 2 * TILE, K);
        for (int64_t t = 0; t < tokens; t += 2 * TILE)
            tiles_block(c + o * PANEL + t, a, stride, parts + t / TILE * PARTS * TILE_VALUES, step, blocks);
    }
    tiles_stop();
}

/* Six products. A panel holds 32 rows of a, or 32 columns of b, as tiles [K / 32][part][2]. A
 * tile of a is [row][k], one of b [pair of k][column][2]. */
enum { SPLIT_STEP = 2 * TILE_VALUES, SPLIT_BLOCK = PARTS * SPLIT_STEP };

static void split_pack(void *panel, bool right, const Weight *w, int64_t count, int64_t K)
{
    uint16_t *out = panel;
    for (int64_t k = 0; k < K; k += DEPTH) {
        for (int64_t n = 0; n < 2; n++) {
            V word[PARTS][TILE];
            split_rows(word, w, n * TILE, k, count - n * TILE, K - k);
            store_parts(out + n * TILE_VALUES, SPLIT_STEP, word, right);
        }
        out += SPLIT_BLOCK;
    }
}

static void split_pack_columns(void *panels, bool right, const Weight *w, int64_t count, int64_t K)
{
    uint16_t *out = panels;
    for (int64_t i = 0; i < count; i += 2 * TILE)
        for (int64_t k = 0; k < K; k += DEPTH) {
            for (int64_t n = 0; n < 2; n++) {
                V word[PARTS][TILE];
                int64_t first = i + n * TILE;
                split_columns(word, w, k, first, count - first, K - k);
                store_parts(out + n * TILE_VALUES, SPLIT_STEP, word, !right);
            }
            out += SPLIT_BLOCK;
        }
}

#define LEFT(part)                                                                                           \
    _tile_loadd(4, left + (part)*SPLIT_STEP, 64);                                                            \
    _tile_loadd(5, left + (part)*SPLIT_STEP + TILE_VALUES, 64)
#define RIGHT(part)                                                                                          \
    _tile_loadd(6, right + (part)*SPLIT_STEP, 64);                                                           \
    _tile_loadd(7, right + (part)*SPLIT_STEP + TILE_VALUES, 64)

/* c[32, 32] from panels of a and b. From product to product only one operand is loaded anew; the
 * largest product comes last. */
static void split_multiply(float *c, int64_t ldc, const void *a, const void *b, int64_t K, bool add)
{
    const uint16_t *left = a;
    const uint16_t *right = b;
    __asm__ volatile("" ::: "memory");
    if (add) {
        LOAD_SUMS(c, ldc);
    } else {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
    }
    for (int64_t k = 0; k < K; k += DEPTH) {
        LEFT(2);
        RIGHT(0);
        PRODUCTS();
        LEFT(1);
        PRODUCTS();
        RIGHT(1);
        PRODUCTS();
        LEFT(0);
        PRODUCTS();
        RIGHT(2);
        PRODUCTS();
        RIGHT(0);
        PRODUCTS();
        left += SPLIT_BLOCK;
        right += SPLIT_BLOCK;
    }
    STORE_SUMS(c, ldc);
    __asm__ volatile("" ::: "memory");
}

static const Tile split_tile = {.rows = 2 * TILE,
                                .cols = 2 * TILE,
                                .bytes = PARTS * sizeof(uint16_t),
                                .step = DEPTH,
                                .chunk = 128,
                                .multiply = split_multiply,
                                .pack = split_pack,
                                .pack_columns = split_pack_columns,
                                .start = tiles_start,
                                .stop = tiles_stop};
