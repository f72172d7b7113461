/* What the CPU and the system offer beyond the usual. */
#ifndef MPA_BASE_CPU_H
#define MPA_BASE_CPU_H

#include <stdbool.h>

/* Whether there are matrix tiles for bf16 (AMX-BF16) and the system permits this process to use
 * them; asks for the permission. */
bool cpu_tiles(void);

/* Processors that are switched on; at least 1. */
int cpu_count(void);

#endif
