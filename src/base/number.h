/* Small arithmetic on sizes. */
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
