#include "base/parallel.h"

bool parallel_worth(int64_t work)
{
    return work >= 1 << 16;
}

#ifdef _OPENMP
#include <omp.h>

void parallel_set_threads(int count)
{
    if (count > 0)
        omp_set_num_threads(count);
}

int parallel_threads(void)
{
    return omp_get_max_threads();
}

int parallel_index(void)
{
    return omp_get_thread_num();
}

#else

void parallel_set_threads(int count)
{
    (void)count;
}

int parallel_threads(void)
{
    return 1;
}

int parallel_index(void)
{
    return 0;
}

#endif
