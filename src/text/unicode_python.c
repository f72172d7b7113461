/* Searches in the tables that ref/golden_characters.py wrote from Python. */
#include "text/unicode_python.h"

#include "text/unicode_python_tables.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

bool python_is_word(int32_t code)
{
    return range_holds(words, COUNT(words), code);
}

bool python_is_case_ignorable(int32_t code)
{
    return range_holds(ignorables, COUNT(ignorables), code);
}

bool python_is_cased(int32_t code)
{
    return range_holds(cased_letters, COUNT(cased_letters), code);
}

int32_t python_lower(int32_t code)
{
    size_t low = 0;
    size_t high = COUNT(lower_runs);
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (code > lower_runs[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    const LowerRun *r = lower_runs + low;
    if (code == 0x130)
        return 'i';
    if (low == COUNT(lower_runs) || code < r->first || (code - r->first) % r->step)
        return code;
    return code + r->add;
}
