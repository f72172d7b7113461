/* Random numbers from a counter: the same (seed, stream, counter) gives the same number
 * everywhere, in any order, on any number of threads. */
#ifndef MPA_BASE_RANDOM_H
#define MPA_BASE_RANDOM_H

#include <stdint.h>

uint64_t random_u64(uint64_t seed, uint64_t stream, uint64_t counter); /* all 64 bits */
double random_unit(uint64_t seed, uint64_t stream, uint64_t counter);  /* uniform in [0, 1) */
/* out[count] becomes a permutation of 0 .. count - 1 (Fisher and Yates). */
void random_permutation(int64_t *out, int64_t count, uint64_t seed, uint64_t stream);

#endif
