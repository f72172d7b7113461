/* Sorted lists of ranges of code points, and the search in them. */
#ifndef MPA_TEXT_RANGE_H
#define MPA_TEXT_RANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    int32_t first, last;
} Range;

/* Whether one of the ranges holds the code point. They are sorted and do not overlap. */
static inline bool range_holds(const Range *ranges, size_t count, int32_t code)
{
    size_t low = 0;
    size_t high = count;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (code > ranges[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && code >= ranges[low].first;
}

#endif
