/* Levenshtein's distance by bit vectors. Between neighbours of the matrix D (base/word.c) the difference is
 * -1, 0 or 1, so a column of 64 rows is two words: rows that are one more than the row above, and one less.
 * A block of 64 rows goes through all of b; what differs between columns along its last row (`across`) is all
 * that the block below it needs.
 *
 *     D[n,m] = n + sum over j of across[j] of row n
 *
 * (G. Myers, A fast bit-vector algorithm for approximate string matching, 1999; H. Hyyro, 2003) */
#include "data/distance.h"

#include "base/memory.h"
#include "base/number.h"

#include <stdlib.h>
#include <string.h>

enum { ROWS = 64 };

static int code_order(const void *a, const void *b)
{
    const int32_t x = *(const int32_t *)a;
    const int32_t y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* b's characters as numbers 0 .. *kinds - 1, in symbol[m]; kind[*kinds] is sorted. */
static void number_characters(int32_t *symbol, int32_t *kind, int64_t *kinds, const int32_t *b, int64_t m)
{
    int64_t n = 0;
    memcpy(kind, b, (size_t)m * sizeof *b);
    qsort(kind, (size_t)m, sizeof *kind, code_order);
    for (int64_t i = 0; i < m; i++)
        if (!i || kind[i] != kind[n - 1]) {
            kind[n] = kind[i];
            n++;
        }
    for (int64_t i = 0; i < m; i++) {
        const int32_t *at = bsearch(b + i, kind, (size_t)n, sizeof *kind, code_order);
        symbol[i] = (int32_t)(at - kind);
    }
    *kinds = n;
}

/* One block of `rows` rows: across[m] of the row above it becomes that of its last row. equal[k]: the rows
 * whose character is k. */
static void pass_block(int8_t *across, const uint64_t *equal, const int32_t *symbol, int64_t m, int64_t rows)
{
    uint64_t more = ~UINT64_C(0); /* D[i,j] - D[i-1,j] = 1, by row */
    uint64_t less = 0;            /* ... = -1 */
    for (int64_t j = 0; j < m; j++) {
        const uint64_t up = across[j] > 0;
        const uint64_t down = across[j] < 0;
        const uint64_t same = equal[symbol[j]];
        const uint64_t v = same | less;
        const uint64_t s = same | down;
        const uint64_t h = (((s & more) + more) ^ more) | s;
        const uint64_t plus = less | ~(h | more); /* D[i,j] - D[i,j-1] = 1 */
        const uint64_t minus = more & h;
        across[j] = (int8_t)((int)(plus >> (rows - 1) & 1) - (int)(minus >> (rows - 1) & 1));
        const uint64_t plus_above = plus << 1 | up;
        more = (minus << 1 | down) | ~(v | plus_above);
        less = plus_above & v;
    }
}

/* Sets or clears the bits of a block's rows. */
static void mark_rows(uint64_t *equal, const int32_t *a, int64_t rows, const int32_t *kind, int64_t kinds,
                      bool set)
{
    for (int64_t i = 0; i < rows; i++) {
        const int32_t *at = bsearch(a + i, kind, (size_t)kinds, sizeof *kind, code_order);
        if (at)
            equal[at - kind] = set ? equal[at - kind] | UINT64_C(1) << i : 0;
    }
}

int64_t text_distance(const int32_t *a, int64_t n, const int32_t *b, int64_t m, Error *e)
{
    int64_t kinds = 0;
    int64_t distance = n;
    if (e->status != OK || n < 1 || m < 1)
        return max_i64(n, m);
    int32_t *symbol = memory_new(m, sizeof *symbol, e);
    int32_t *kind = memory_new(m, sizeof *kind, e);
    int8_t *across = memory_new(m, sizeof *across, e);
    uint64_t *equal = memory_new(m, sizeof *equal, e);
    if (e->status == OK) {
        number_characters(symbol, kind, &kinds, b, m);
        memset(across, 1, (size_t)m);
        for (int64_t i = 0; i < n; i += ROWS) {
            const int64_t rows = min_i64(ROWS, n - i);
            mark_rows(equal, a + i, rows, kind, kinds, true);
            pass_block(across, equal, symbol, m, rows);
            mark_rows(equal, a + i, rows, kind, kinds, false);
        }
        for (int64_t j = 0; j < m; j++)
            distance += across[j];
    }
    free(symbol);
    free(kind);
    free(across);
    free(equal);
    return e->status == OK ? distance : max_i64(n, m);
}
