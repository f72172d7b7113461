/* Small arithmetic on sizes. Sizes from files go through size_product and size_sum: what does not fit in
 * 64 bits is the largest number, which every check and every allocation refuses. */
#ifndef MPA_BASE_NUMBER_H
#define MPA_BASE_NUMBER_H

#include <stdint.h>

static inline int64_t min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t max_i64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* a b and a + b for a, b >= 0; INT64_MAX where that is too large. */
static inline int64_t size_product(int64_t a, int64_t b)
{
    return b && a > INT64_MAX / b ? INT64_MAX : a * b;
}

static inline int64_t size_sum(int64_t a, int64_t b)
{
    return a > INT64_MAX - b ? INT64_MAX : a + b;
}

/* count / size, rounded up; count >= 0, size > 0. */
static inline int64_t ceil_div(int64_t count, int64_t size)
{
    return (count + size - 1) / size;
}

/* The next multiple of `unit` that is not below count. */
static inline int64_t round_up(int64_t count, int64_t unit)
{
    return ceil_div(count, unit) * unit;
}

#endif
