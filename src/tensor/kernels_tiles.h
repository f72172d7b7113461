/* float32 times bf16 on a CPU's matrix tiles (AMX-BF16), as exact as float32: x = x0 + x1 + x2 with three bf16 numbers, 24 bits in all, so y = x w' is three
 * bf16 products added up in float32. Included by kernels_vector.h where the set has TILES.
 *
 * The weights are the first operand, their rows loaded from where they lie in the file; only x is packed. A product of tiles is c[16 outputs, 16 tokens] +=
 * a[16 outputs, 32 k] b[32 k, 16 tokens]; the three parts of x share each load of a. */

enum { TILE = 16, DEPTH = 32, PARTS = 3, CHUNK_K = 512, PANEL = 256, TILE_BYTES = 1024, TILE_VALUES = TILE_BYTES / 2 };

static int64_t whole(int64_t count, int64_t unit)
{
    return (count + unit - 1) / unit * unit;
}

/* The nearest bf16 of x, ties to even, in the upper half of each word. */
INLINE U upper(V x)
{
    U bits = (U)x;
    return (bits + 0x7FFFu + (bits >> 16 & 1u)) & 0xFFFF0000u;
}

/* x[tokens, K] as tiles [K / 32][tokens / 16][part][pair of k][token][2], both counts rounded up to multiples of 32; what is missing is 0. */
static void tiles_split(uint16_t *out, const float *x, int64_t stride, int64_t tokens, int64_t K)
{
    for (int64_t k = 0; k < K; k += DEPTH)
        for (int64_t t = 0; t < whole(tokens, 2 * TILE); t += TILE, out += PARTS * TILE_VALUES) {
            V word[PARTS][TILE];
            for (int64_t n = 0; n < TILE; n++) {
                float row[DEPTH] = {0};
                if (t + n < tokens)
                    memcpy(row, x + (t + n) * stride + k, (size_t)(K - k < DEPTH ? K - k : DEPTH) * sizeof *row);
                V low = load(row), high = load(row + WIDTH);
                V even = SHUFFLE(low, high, EVENS), odd = SHUFFLE(low, high, ODDS);
                UNROLL for (int part = 0; part < PARTS; part++)
                {
                    U first = upper(even), second = upper(odd);
                    word[part][n] = (V)(first >> 16 | second);
                    even -= (V)first;
                    odd -= (V)second;
                }
            }
            for (int part = 0; part < PARTS; part++) {
                transpose(word[part]);
                memcpy(out + part * TILE_VALUES, word[part], TILE_BYTES);
            }
        }
}

/* 32 outputs x 32 tokens: c[32, PANEL] += a b over `blocks` blocks of k. a: rows of `stride` bytes; b: the first of two neighbouring tiles, `step` values
 * to the next block of k. */
static void tiles_block(float *c, const uint16_t *a, int64_t stride, const uint16_t *b, int64_t step, int64_t blocks)
{
    const int64_t row = PANEL * sizeof *c;
    __asm__ volatile("" ::: "memory"); /* the compiler does not know that tiles are loaded from memory, and stored to it */
    _tile_loadd(0, c, row);
    _tile_loadd(1, c + TILE, row);
    _tile_loadd(2, c + TILE * PANEL, row);
    _tile_loadd(3, c + TILE * PANEL + TILE, row);
    for (int64_t k = 0; k < blocks; k++, a += DEPTH, b += step) {
        _tile_loadd(4, a, stride);
        _tile_loadd(5, (const char *)a + TILE * stride, stride);
        for (int part = PARTS - 1; part >= 0; part--) { /* the small ones first */
            _tile_loadd(6, b + part * TILE_VALUES, 64);
            _tile_loadd(7, b + (PARTS + part) * TILE_VALUES, 64);
            _tile_dpbf16ps(0, 4, 6);
            _tile_dpbf16ps(1, 4, 7);
            _tile_dpbf16ps(2, 5, 6);
            _tile_dpbf16ps(3, 5, 7);
        }
    }
    _tile_stored(0, c, row);
    _tile_stored(1, c + TILE, row);
    _tile_stored(2, c + TILE * PANEL, row);
    _tile_stored(3, c + TILE * PANEL + TILE, row);
    __asm__ volatile("" ::: "memory");
}

/* Up to 32 rows of w from column k on, K of them, as tiles want them: where rows or columns are missing, a copy with zeros. */
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

/* c[outputs, PANEL] += w x' for the split x and a chunk of k. c has room for a multiple of 32 outputs; I: length of w's rows. */
static void tiles_multiply(float *c, const uint16_t *parts, int64_t tokens, const uint16_t *w, int64_t I, int64_t outputs, int64_t K)
{
    static const struct {
        uint8_t palette, start, none[14];
        uint16_t bytes[16];
        uint8_t rows[16];
    } shape = {1, 0, {0}, {64, 64, 64, 64, 64, 64, 64, 64}, {16, 16, 16, 16, 16, 16, 16, 16}};
    uint16_t copy[2 * TILE * CHUNK_K];
    const int64_t blocks = whole(K, DEPTH) / DEPTH, step = whole(tokens, 2 * TILE) / TILE * PARTS * TILE_VALUES;
    _tile_loadconfig(&shape);
    for (int64_t o = 0; o < outputs; o += 2 * TILE) {
        int64_t stride = I * (int64_t)sizeof *w;
        const uint16_t *a = whole_rows(copy, w + o * I, &stride, outputs - o < 2 * TILE ? outputs - o : 2 * TILE, K);
        for (int64_t t = 0; t < tokens; t += 2 * TILE)
            tiles_block(c + o * PANEL + t, a, stride, parts + t / TILE * PARTS * TILE_VALUES, step, blocks);
    }
    _tile_release();
}
