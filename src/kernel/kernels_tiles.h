/* Products as exact as float32's on a CPU's matrix tiles (AMX-BF16). A float32 number is the sum
 * of three bf16 ones, x = x0 + x1 + x2, of 8 significant bits each: 24 in all. A product of two
 * float32 factors is six products of such parts, added up in float32: the other three of the nine
 * lie below a float32's last bit. Where the right factor is in bf16, as most checkpoints are, it
 * is one part, and three products are all. kernels_vector.h includes this file where the set has
 * TILES.
 *
 * A panel holds 32 rows of a, or 32 columns of b, as tiles [K / 32][part][2]. A tile of a is
 * [row][k], one of b [pair of k][column][2]. */

enum { TILE = 16, DEPTH = 32, PARTS = 3, TILE_VALUES = 512, STEP_VALUES = 2 * TILE_VALUES };

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

/* word[part][i]: 16 pairs of numbers as the sums of so many parts, in each word the first number in
 * the lower half. What the last part has to hold are 8 bits: there is nothing to round. Of numbers near
 * the smallest, below 2^-110, it has more; they are cut off, or they would stand in the other number. */
INLINE void split_pairs(int parts, V word[PARTS][TILE], int64_t i, V first, V second)
{
    UNROLL for (int part = 0; part < parts; part++)
    {
        const U low = part < parts - 1 ? upper(first) : (U)first;
        const U high = part < parts - 1 ? upper(second) : (U)second & 0xFFFF0000u;
        word[part][i] = (V)(low >> 16 | high);
        first -= (V)low;
        second -= (V)high;
    }
}

/* WIDTH values of w from (row, column) on, of which `count` are there; the others are 0. */
INLINE V fetch(const Weight *w, Dtype type, int64_t row, int64_t column, int64_t count)
{
    float some[WIDTH] = {0};
    if (count >= WIDTH && type != F16)
        return load_as(w->data, type, row * w->stride + column);
    if (count > 0)
        widen(some, weight_at(w, row, column), type, count < WIDTH ? count : WIDTH);
    return load(some);
}

/* 16 rows of w from (first, k) on, DEPTH values of each; those beyond `rows` and K are 0. Each
 * becomes a row of words. */
INLINE void split_rows(int parts, Dtype type, V word[PARTS][TILE], const Weight *w, int64_t first, int64_t k,
                       int64_t rows, int64_t K)
{
    for (int64_t n = 0; n < TILE; n++) {
        const int64_t count = n < rows ? K : 0;
        const char *from = count ? weight_at(w, first + n, k) : NULL;
        ask_ahead(from, ROW_AHEAD);
        ask_ahead(from, ROW_AHEAD + 64);
        V low = fetch(w, type, first + n, k, count);
        V high = fetch(w, type, first + n, k + WIDTH, count - WIDTH);
        split_pairs(parts, word, n, SHUFFLE(low, high, EVENS), SHUFFLE(low, high, ODDS));
    }
}

/* DEPTH rows of w from (k, first) on, 16 values of each; those beyond K and `columns` are 0.
 * Each pair of rows becomes a row of words. */
INLINE void split_columns(int parts, Dtype type, V word[PARTS][TILE], const Weight *w, int64_t k,
                          int64_t first, int64_t columns, int64_t K)
{
    for (int64_t i = 0; i < DEPTH; i += 2) {
        ask_ahead(w->data, ((k + i + DEPTH) * w->stride + first) * bytes_of(type));
        ask_ahead(w->data, ((k + i + 1 + DEPTH) * w->stride + first) * bytes_of(type));
        split_pairs(parts, word, i / 2, fetch(w, type, k + i, first, i < K ? columns : 0),
                    fetch(w, type, k + i + 1, first, i + 1 < K ? columns : 0));
    }
}

/* Stores the tile of each part. */
INLINE void store_parts(int parts, uint16_t *out, V word[PARTS][TILE], bool transposed)
{
    UNROLL for (int part = 0; part < parts; part++)
    {
        if (transposed)
            transpose(word[part]);
        memcpy(out + part * STEP_VALUES, word[part], sizeof word[part]);
    }
}

/* Panels of rows and of columns, as Tile describes them. */
INLINE void pack_rows_as(int parts, Dtype type, uint16_t *out, bool right, const Weight *w, int64_t count,
                         int64_t K)
{
    for (int64_t k = 0; k < K; k += DEPTH, out += parts * STEP_VALUES)
        for (int64_t n = 0; n < 2; n++) {
            V word[PARTS][TILE];
            split_rows(parts, type, word, w, n * TILE, k, count - n * TILE, K - k);
            store_parts(parts, out + n * TILE_VALUES, word, right);
        }
}

INLINE void pack_columns_as(int parts, Dtype type, uint16_t *out, bool right, const Weight *w, int64_t count,
                            int64_t K)
{
    for (int64_t i = 0; i < count; i += 2 * TILE)
        for (int64_t k = 0; k < K; k += DEPTH, out += parts * STEP_VALUES)
            for (int64_t n = 0; n < 2; n++) {
                V word[PARTS][TILE];
                const int64_t first = i + n * TILE;
                split_columns(parts, type, word, w, k, first, count - first, K - k);
                store_parts(parts, out + n * TILE_VALUES, word, !right);
            }
}

static void split_pack(void *out, bool right, const Weight *w, int64_t count, int64_t K)
{
    if (w->type == F32)
        pack_rows_as(PARTS, F32, out, right, w, count, K);
    else
        pack_rows_as(PARTS, w->type, out, right, w, count, K);
}

static void split_pack_columns(void *out, bool right, const Weight *w, int64_t count, int64_t K)
{
    if (w->type == F32)
        pack_columns_as(PARTS, F32, out, right, w, count, K);
    else
        pack_columns_as(PARTS, w->type, out, right, w, count, K);
}

/* The same where b is in bf16. */
static void half_pack(void *out, bool right, const Weight *w, int64_t count, int64_t K)
{
    if (right)
        pack_rows_as(1, BF16, out, right, w, count, K);
    else
        split_pack(out, right, w, count, K);
}

static void half_pack_columns(void *out, bool right, const Weight *w, int64_t count, int64_t K)
{
    if (right)
        pack_columns_as(1, BF16, out, right, w, count, K);
    else
        split_pack_columns(out, right, w, count, K);
}

/* Tiles 0 to 3 hold the sums c[32, 32]; 4 and 5 hold two tiles of a, 6 and 7 two of b. */
#define LEFT(part)                                                                                           \
    _tile_loadd(4, left + (part)*STEP_VALUES, 64);                                                           \
    _tile_loadd(5, left + (part)*STEP_VALUES + TILE_VALUES, 64)
#define RIGHT(part)                                                                                          \
    _tile_loadd(6, right + (part)*STEP_VALUES, 64);                                                          \
    _tile_loadd(7, right + (part)*STEP_VALUES + TILE_VALUES, 64)
#define PRODUCTS()                                                                                           \
    _tile_dpbf16ps(0, 4, 6);                                                                                 \
    _tile_dpbf16ps(1, 4, 7);                                                                                 \
    _tile_dpbf16ps(2, 5, 6);                                                                                 \
    _tile_dpbf16ps(3, 5, 7)

INLINE void sums_begin(const float *c, int64_t ldc, bool add)
{
    const int64_t row = ldc * (int64_t)sizeof *c;
    /* the compiler does not know that tiles are loaded from memory and stored to it */
    __asm__ volatile("" ::: "memory");
    if (add) {
        _tile_loadd(0, c, row);
        _tile_loadd(1, c + TILE, row);
        _tile_loadd(2, c + TILE * ldc, row);
        _tile_loadd(3, c + TILE * ldc + TILE, row);
    } else {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
    }
}

INLINE void sums_end(float *c, int64_t ldc)
{
    const int64_t row = ldc * (int64_t)sizeof *c;
    _tile_stored(0, c, row);
    _tile_stored(1, c + TILE, row);
    _tile_stored(2, c + TILE * ldc, row);
    _tile_stored(3, c + TILE * ldc + TILE, row);
    __asm__ volatile("" ::: "memory");
}

/* c[32, 32] from panels of a and b. From product to product only one operand is loaded anew; the
 * largest product comes last. */
static void split_multiply(float *c, int64_t ldc, const void *a, const void *b, int64_t K, bool add)
{
    const uint16_t *left = a;
    const uint16_t *right = b;
    sums_begin(c, ldc, add);
    for (int64_t k = 0; k < K; k += DEPTH, left += PARTS * STEP_VALUES, right += PARTS * STEP_VALUES) {
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
    }
    sums_end(c, ldc);
}

/* The same where b is one part. */
static void half_multiply(float *c, int64_t ldc, const void *a, const void *b, int64_t K, bool add)
{
    const uint16_t *left = a;
    const uint16_t *right = b;
    sums_begin(c, ldc, add);
    for (int64_t k = 0; k < K; k += DEPTH, left += PARTS * STEP_VALUES, right += STEP_VALUES) {
        RIGHT(0);
        LEFT(2);
        PRODUCTS();
        LEFT(1);
        PRODUCTS();
        LEFT(0);
        PRODUCTS();
    }
    sums_end(c, ldc);
}

static const Tile split_tile = {.rows = 2 * TILE,
                                .cols = 2 * TILE,
                                .left_bytes = PARTS * sizeof(uint16_t),
                                .right_bytes = PARTS * sizeof(uint16_t),
                                .step = DEPTH,
                                .chunk = 256,
                                .multiply = split_multiply,
                                .pack = split_pack,
                                .pack_columns = split_pack_columns,
                                .start = tiles_start,
                                .stop = tiles_stop};

static const Tile half_tile = {.rows = 2 * TILE,
                               .cols = 2 * TILE,
                               .left_bytes = PARTS * sizeof(uint16_t),
                               .right_bytes = sizeof(uint16_t),
                               .step = DEPTH,
                               .chunk = 256,
                               .multiply = half_multiply,
                               .pack = half_pack,
                               .pack_columns = half_pack_columns,
                               .start = tiles_start,
                               .stop = tiles_stop};
