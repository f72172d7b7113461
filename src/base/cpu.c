#define _DEFAULT_SOURCE /* syscall */
#include "base/cpu.h"

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

bool cpu_tiles(void)
{
    const unsigned tile = 1u << 24, bf16 = 1u << 22; /* of leaf 7, edx */
    const long ask = 0x1023, tile_data = 18;         /* ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA */
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & tile) && (d & bf16) &&
           syscall(SYS_arch_prctl, ask, tile_data) == 0;
}

#else

bool cpu_tiles(void)
{
    return false;
}

#endif
