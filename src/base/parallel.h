/* Threads. Work is cut into blocks by sizes alone, and one thread computes a block: so the results
 * have the same bits with any number of threads. Without OpenMP everything runs on one thread. */
#ifndef MPA_BASE_PARALLEL_H
#define MPA_BASE_PARALLEL_H

#include <stdbool.h>
#include <stdint.h>

void parallel_set_threads(int count); /* 0: OpenMP's own choice: OMP_NUM_THREADS, or all processors */
int parallel_threads(void);           /* the maximum that a loop uses */
int parallel_index(void);             /* of the calling thread inside a loop, 0 .. parallel_threads() - 1 */

/* Whether `work` elementary operations are enough to share. With fewer, waking the other threads
 * costs more than they save. */
bool parallel_worth(int64_t work);
/* x[count] := 0 */
void parallel_clear(float *x, int64_t count);

#endif
