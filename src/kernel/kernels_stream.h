/* The part of kernels_vector.h for few rows, as in decoding: `stream` reads weights once, as
 * they are stored; `scores` reads keys, `mix` values. Memory is the limit here, so what comes
 * next is asked for while arithmetic goes on. The including file has the vector types and
 * defines STREAM_ROWS and STREAM_COLS: rows of weights and rows of x that are in registers at a
 * time. SINGLE: rows of weights at a time for a single row of x. LEAD: how many bytes ahead of
 * those in use are asked for. */
enum { PAIR = 2 * WIDTH, SINGLE = 8, LEAD = 512, MIX_ROWS = 3, MIX_VECTORS = 4 };

/* Two bf16 weights are read as one 32-bit word: a shift gives the even one, a mask the odd one.
 * x is brought into the matching order: of every PAIR values first the even ones, then the odd
 * ones. So are float32 weights, so that the same values give the same bits. The last PAIR is
 * padded with zeros. Keys are always float32 and keep their own order. */
typedef enum { BF16_WEIGHTS, F32_WEIGHTS, KEYS } Kind;

INLINE int64_t size_of(const Kind KIND)
{
    return KIND == BF16_WEIGHTS ? 2 : 4;
}

static int64_t stream_width(Dtype type, int64_t count)
{
    return type == F16 ? scalar_stream_width(type, count) : round_up(count, PAIR);
}

/* The even or the odd weights of the PAIR at p; of a key, the first or the second half of the
 * PAIR. */
INLINE V weights(const Kind KIND, const void *p, int odd)
{
    if (KIND == KEYS)
        return load((const float *)p + odd * WIDTH);
    if (KIND == F32_WEIGHTS) {
        V low = load(p);
        V high = load((const float *)p + WIDTH);
        return odd ? SHUFFLE(low, high, ODDS) : SHUFFLE(low, high, EVENS);
    }
    U word = *(const UU *)p;
    return odd ? (V)(word & 0xFFFF0000u) : (V)(word << 16);
}

static void prepare(float *out, const float *x, Dtype type, int64_t count)
{
    if (type == F16) {
        scalar_prepare(out, x, type, count);
        return;
    }
    for (int64_t i = 0; i < count; i += PAIR) {
        float last[PAIR] = {0};
        const float *pair = count - i < PAIR ? memcpy(last, x + i, (size_t)(count - i) * sizeof *x) : x + i;
        for (int odd = 0; odd < 2; odd++)
            store(out + i + odd * WIDTH, weights(F32_WEIGHTS, pair, odd));
    }
}

/* What is asked for ahead: with every PAIR in use, a PAIR of each of `rows` rows from `next` on,
 * `gap` bytes apart. */
typedef struct {
    uintptr_t next; /* may lie beyond the end of the weights: asking for an address cannot fail */
    int64_t gap;
    int rows;
} Ahead;

/* sum[r][n] += the products of `pairs` PAIRs of ROWS rows of w, `gap` bytes apart, with FEW rows of
 * x, `width` floats apart. Each weight is unpacked once. */
INLINE void stream_pairs(const Kind KIND, const int ROWS, const int FEW, V sum[SINGLE][STREAM_COLS],
                         const float *x, int64_t width, const unsigned char *w, int64_t gap, int64_t pairs,
                         Ahead ahead)
{
    const int64_t size = PAIR * size_of(KIND);
    for (int64_t i = 0; i < pairs; i++) {
        for (int r = 0; r < ahead.rows; r++)
            __builtin_prefetch((const void *)(ahead.next + (uintptr_t)(r * ahead.gap)), 0, 2);
        UNROLL for (int odd = 0; odd < 2; odd++)
        {
            V right[STREAM_COLS];
            UNROLL for (int n = 0; n < FEW; n++) right[n] = load(x + n * width + odd * WIDTH);
            UNROLL for (int r = 0; r < ROWS; r++)
            {
                V part = weights(KIND, w + r * gap, odd);
                UNROLL for (int n = 0; n < FEW; n++) sum[r][n] += part * right[n];
            }
        }
        x += PAIR;
        w += size;
        ahead.next += (uintptr_t)size;
    }
}

/* y[n * ldy + r * step] = the products of ROWS rows of w with FEW rows of x. What remains of the
 * rows after whole PAIRs is copied and padded with zeros. */
INLINE void stream_block(const Kind KIND, const int ROWS, const int FEW, float *y, int64_t ldy, int64_t step,
                         const float *x, int64_t width, const unsigned char *w, int64_t gap, int64_t count,
                         Ahead ahead)
{
    const int64_t size = size_of(KIND);
    const int64_t pairs = count / PAIR;
    const int64_t whole = pairs * PAIR;
    V sum[SINGLE][STREAM_COLS];
    UNROLL for (int r = 0; r < ROWS; r++) UNROLL for (int n = 0; n < FEW; n++) sum[r][n] = (V){0};
    stream_pairs(KIND, ROWS, FEW, sum, x, width, w, gap, pairs, ahead);
    if (whole < count) {
        unsigned char last[SINGLE][4 * PAIR] = {{0}};
        float right[STREAM_COLS][PAIR] = {{0}};
        for (int r = 0; r < ROWS; r++)
            memcpy(last[r], w + r * gap + whole * size, (size_t)((count - whole) * size));
        for (int n = 0; n < FEW; n++)
            memcpy(right[n], x + n * width + whole, (size_t)(width - whole) * sizeof *x);
        stream_pairs(KIND, ROWS, FEW, sum, right[0], PAIR, last[0], sizeof last[0], 1, (Ahead){0});
    }
    UNROLL for (int r = 0; r < ROWS; r++) UNROLL for (int n = 0; n < FEW; n++) y[n * ldy + r * step] =
        sum_of(sum[r][n]);
}

/* The products of all N rows of x with ROWS rows of w, each `step` rows after the one before.
 * The rows of x are taken in groups of STREAM_COLS. A single group asks ahead in the rows of w
 * that it reads. With several groups, all but the first find those in the cache; so they ask for
 * the rows that come after them. */
INLINE void stream_rows(const Kind KIND, const int ROWS, float *y, int64_t ldy, int64_t step, const float *x,
                        int64_t width, const unsigned char *w, int64_t bytes, int64_t N, int64_t count)
{
    const int64_t groups = ceil_div(N, STREAM_COLS);
    const int64_t gap = step * bytes;
    const int each = (int)((ROWS + groups - 1) / groups);
    Ahead ahead = {(uintptr_t)w + (uintptr_t)(groups > 1 ? bytes : LEAD), gap, each};
    int64_t few = N % STREAM_COLS ? N % STREAM_COLS : STREAM_COLS; /* the first group may be short */
    int64_t asked = 0;
    int64_t n = 0;
    while (n < N) {
        ahead.rows = asked < ROWS ? each : 0;
        if (ROWS <= STREAM_ROWS && few == STREAM_COLS)
            stream_block(KIND, ROWS, STREAM_COLS, y + n * ldy, ldy, step, x + n * width, width, w, gap, count,
                         ahead);
        else if (ROWS <= STREAM_ROWS && STREAM_COLS > 3 && few == 3)
            stream_block(KIND, ROWS, 3, y, ldy, step, x, width, w, gap, count, ahead);
        else if (ROWS <= STREAM_ROWS && STREAM_COLS > 2 && few == 2)
            stream_block(KIND, ROWS, 2, y, ldy, step, x, width, w, gap, count, ahead);
        else
            stream_block(KIND, ROWS, 1, y, ldy, step, x, width, w, gap, count, ahead);
        ahead.next += (uintptr_t)(each * gap);
        asked += each;
        n += few;
        few = STREAM_COLS;
    }
}

/* From row `first` on as many sets of ROWS rows of w as there are; returns the row after them. The
 * rows of a set are far from each other: the CPU's prefetchers then follow ROWS streams and read
 * more than along a single one. */
INLINE int64_t stream_sets(const Kind KIND, const int ROWS, int64_t first, float *y, int64_t ldy,
                           const float *x, int64_t width, const unsigned char *w, int64_t bytes, int64_t N,
                           int64_t rows, int64_t count)
{
    const int64_t step = (rows - first) / ROWS;
    for (int64_t r = first; r < first + step; r++)
        stream_rows(KIND, ROWS, y + r, ldy, step, x, width, w + r * bytes, bytes, N, count);
    return first + step * ROWS;
}

/* Takes as many rows of w at a time as leave the sums in registers. x: [N, width], of which `count`
 * values are used, or all with the zeros of the last PAIR. */
INLINE void stream_kind(const Kind KIND, float *y, int64_t ldy, const float *x, int64_t width, const void *w,
                        int64_t stride, int64_t N, int64_t rows, int64_t count)
{
    const int64_t bytes = stride * size_of(KIND);
    int64_t done = N == 1 ? stream_sets(KIND, SINGLE, 0, y, ldy, x, width, w, bytes, N, rows, count) : 0;
    done = stream_sets(KIND, STREAM_ROWS, done, y, ldy, x, width, w, bytes, N, rows, count);
    stream_sets(KIND, 1, done, y, ldy, x, width, w, bytes, N, rows, count);
}

static void stream(float *y, int64_t ldy, const float *x, const Weight *w, int64_t N, int64_t rows,
                   int64_t count)
{
    const void *data = weight_at(w, 0, 0);
    if (w->type == F32)
        stream_kind(F32_WEIGHTS, y, ldy, x, stream_width(F32, count), data, w->stride, N, rows, count);
    else if (w->type == BF16)
        stream_kind(BF16_WEIGHTS, y, ldy, x, stream_width(BF16, count), data, w->stride, N, rows, count);
    else
        scalar_stream(y, ldy, x, w, N, rows, count);
}

static void scores(float *y, int64_t ldy, const float *q, const float *key, int64_t stride, int64_t N,
                   int64_t rows, int64_t count)
{
    stream_kind(KEYS, y, ldy, q, count, key, stride, N, rows, count);
}

/* y[ROWS, VECTORS * WIDTH] += p v for K rows of v */
INLINE void mix_block(const int ROWS, const int VECTORS, float *y, int64_t ldy, const float *p, int64_t ldp,
                      const float *v, int64_t stride, int64_t K)
{
    V sum[MIX_ROWS][MIX_VECTORS];
    UNROLL for (int n = 0; n < ROWS; n++) UNROLL for (int j = 0; j < VECTORS; j++) sum[n][j] = (V){0};
    for (int64_t k = 0; k < K; k++) {
        V right[MIX_VECTORS];
        UNROLL for (int j = 0; j < VECTORS; j++) right[j] = load(v + k * stride + j * WIDTH);
        UNROLL for (int n = 0; n < ROWS; n++) UNROLL for (int j = 0; j < VECTORS; j++) sum[n][j] +=
            all(p[n * ldp + k]) * right[j];
    }
    UNROLL for (int n = 0; n < ROWS; n++) UNROLL for (int j = 0; j < VECTORS; j++)
        store(y + n * ldy + j * WIDTH, load(y + n * ldy + j * WIDTH) + sum[n][j]);
}

/* y[ROWS, I] += p v for K rows of v */
INLINE void mix_rows(const int ROWS, float *y, int64_t ldy, const float *p, int64_t ldp, const float *v,
                     int64_t stride, int64_t K, int64_t I)
{
    int64_t i = 0;
    for (; i + MIX_VECTORS * WIDTH <= I; i += MIX_VECTORS * WIDTH)
        mix_block(ROWS, MIX_VECTORS, y + i, ldy, p, ldp, v + i, stride, K);
    for (; i + WIDTH <= I; i += WIDTH)
        mix_block(ROWS, 1, y + i, ldy, p, ldp, v + i, stride, K);
    for (int n = 0; i < I && n < ROWS; n++)
        for (int64_t k = 0; k < K; k++)
            for (int64_t j = i; j < I; j++)
                y[n * ldy + j] += p[n * ldp + k] * v[k * stride + j];
}

static void mix(float *y, int64_t ldy, const float *p, int64_t ldp, const float *v, int64_t stride, int64_t N,
                int64_t K, int64_t I)
{
    enum { CHUNK = 256 }; /* of k in one sum in registers: fewer roundings than one long sum */
    for (int64_t n = 0; n < N; n++)
        memset(y + n * ldy, 0, (size_t)I * sizeof *y);
    for (int64_t k = 0; k < K; k += CHUNK) {
        const int64_t some = min_i64(CHUNK, K - k);
        int64_t n = 0;
        for (; n + MIX_ROWS <= N; n += MIX_ROWS)
            mix_rows(MIX_ROWS, y + n * ldy, ldy, p + n * ldp + k, ldp, v + k * stride, stride, some, I);
        for (; n < N; n++)
            mix_rows(1, y + n * ldy, ldy, p + n * ldp + k, ldp, v + k * stride, stride, some, I);
    }
}
