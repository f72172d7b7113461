/* What the CPU and the system offer. Linux gives a process the tile registers only when it asks for
 * them (arch_prctl, Documentation/arch/x86/xstate.rst). */
#define _DEFAULT_SOURCE /* syscall */
#include "base/cpu.h"

#include <unistd.h>

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__)
#include <cpuid.h>
#include <sys/syscall.h>

bool cpu_tiles(void)
{
    const unsigned tile = 1u << 24; /* of leaf 7, edx */
    const unsigned bf16 = 1u << 22;
    const long ask = 0x1023;   /* ARCH_REQ_XCOMP_PERM */
    const long tile_data = 18; /* XFEATURE_XTILEDATA */
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

int cpu_count(void)
{
    const long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count > 1 ? (int)count : 1;
}
