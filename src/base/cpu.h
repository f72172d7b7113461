/* What the CPU and the system offer beyond the usual. */
#ifndef MPA_BASE_CPU_H
#define MPA_BASE_CPU_H

#include <stdbool.h>

/* Matrix tiles for bf16 (AMX-BF16). Asks the system for leave to use them, once for the process. */
bool cpu_tiles(void);

#endif
