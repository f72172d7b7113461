/* Threads. Work is cut into blocks that depend on sizes alone and each block is computed by one
 * thread, so results have the same bits for any number of threads. Without OpenMP everything
 * runs on one thread. */
#ifndef MPA_BASE_PARALLEL_H
#define MPA_BASE_PARALLEL_H

#include <stdbool.h>
#include <stdint.h>

void parallel_set_threads(int count); /* 0: OpenMP's own choice: OMP_NUM_THREADS, or all processors */
int parallel_threads(void);           /* how many a loop uses at most */
int parallel_index(void);             /* of the calling thread inside a loop, 0 .. parallel_threads() - 1 */

/* Whether `work` elementary operations are enough to share: below, waking the other threads
 * costs more than they save. */
bool parallel_worth(int64_t work);
/* x[count] := 0 */
void parallel_clear(float *x, int64_t count);

#endif
