#include "kernel/kernels.h"

#include "base/cpu.h"

#include <stdio.h>
#include <string.h>

#if defined(KERNELS_X86)
extern const Kernels kernels_avx2, kernels_avx512, kernels_amx;

static bool has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
#endif

const Kernels *kernels = &kernels_plain;

const Kernels *const *kernels_available(void)
{
    static const Kernels *list[5];
    int n = 0;
    if (*list)
        return list;
#if defined(KERNELS_X86)
    if (has_avx512() && cpu_tiles())
        list[n++] = &kernels_amx;
    if (has_avx512())
        list[n++] = &kernels_avx512;
    if (has_avx2())
        list[n++] = &kernels_avx2;
#endif
    list[n] = &kernels_plain;
    return list;
}

Status kernels_choose(const char *name, Error *e)
{
    const Kernels *const *k = kernels_available();
    while (name && *name && *k && strcmp((*k)->name, name))
        k++;
    if (!*k) {
        char known[60] = "";
        for (k = kernels_available(); *k; k++)
            snprintf(known + strlen(known), sizeof known - strlen(known), " %s", (*k)->name);
        return error_set(e, BAD_USAGE, "MPA_KERNELS: there is no set \"%s\" here; there are:%s", name, known);
    }
    kernels = *k;
    return OK;
}
