/* Threads, through OpenMP or without it. Nothing else in the program calls OpenMP's functions. */
#include "base/parallel.h"

#include <string.h>

bool parallel_worth(int64_t work)
{
    return work >= 1 << 16;
}

void parallel_clear(float *x, int64_t count)
{
    const int64_t block = 1 << 16;
#pragma omp parallel for if (parallel_worth(count / 4))
    for (int64_t i = 0; i < count; i += block)
        memset(x + i, 0, (size_t)(count - i < block ? count - i : block) * sizeof *x);
}

#ifdef _OPENMP
#include <omp.h>

void parallel_set_threads(int count)
{
    static int own;
    if (!own)
        own = omp_get_max_threads();
    omp_set_num_threads(count > 0 ? count : own);
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
