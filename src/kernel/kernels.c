/* Which sets of kernels this build has, which of them this CPU can run, and which one is chosen. */
#include "kernel/kernels.h"

#include "base/cpu.h"

#include <stdio.h>
#include <string.h>

#if defined(KERNELS_X86)
extern const Kernels kernels_avx2, kernels_avx512, kernels_amx;

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static bool has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

static bool has_amx(void)
{
#ifdef KERNELS_EMULATED
    return has_avx2();
#else
    return has_avx512() && cpu_tiles();
#endif
}
#endif

/* Best first. */
static const struct {
    const Kernels *set;
    bool (*runs_here)(void); /* NULL: on every CPU */
} sets[] = {
#if defined(KERNELS_X86)
    {&kernels_amx, has_amx},
    {&kernels_avx512, has_avx512},
    {&kernels_avx2, has_avx2},
#endif
    {&kernels_plain, NULL},
};

const Kernels *kernels = &kernels_plain;

const Kernels *kernels_available(int i)
{
    for (size_t k = 0; k < sizeof sets / sizeof *sets; k++) {
        if (sets[k].runs_here && !sets[k].runs_here())
            continue;
        if (i == 0)
            return sets[k].set;
        i--;
    }
    return NULL;
}

Status kernels_choose(const char *name, Error *e)
{
    if (e->status != OK)
        return e->status;
    const bool any = !name || !*name;
    char known[60] = "";
    for (int i = 0; kernels_available(i); i++) {
        const Kernels *set = kernels_available(i);
        if (any || !strcmp(set->name, name)) {
            kernels = set;
            return OK;
        }
        snprintf(known + strlen(known), sizeof known - strlen(known), " %s", set->name);
    }
    return error_set(e, BAD_USAGE, "MPA_KERNELS: there is no set \"%s\" here; there are:%s", name, known);
}
