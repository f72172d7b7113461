/* Random numbers: a hash of (seed, stream, counter). There is no generator state, so a number does not
 * depend on what was drawn before. */
#include "base/random.h"

/* The finaliser of splitmix64 (Steele, Lea, Flood 2014): a bijection that mixes all bits. */
static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
    return x ^ x >> 31;
}

uint64_t random_u64(uint64_t seed, uint64_t stream, uint64_t counter)
{
    const uint64_t golden = UINT64_C(0x9E3779B97F4A7C15);
    return mix(mix(mix(seed + golden) + stream + golden) + counter + golden);
}

double random_unit(uint64_t seed, uint64_t stream, uint64_t counter)
{
    return (double)(random_u64(seed, stream, counter) >> 11) * 0x1p-53;
}

void random_permutation(int64_t *out, int64_t count, uint64_t seed, uint64_t stream)
{
    for (int64_t i = 0; i < count; i++)
        out[i] = i;
    for (int64_t i = count - 1; i > 0; i--) {
        int64_t j = (int64_t)(random_u64(seed, stream, (uint64_t)i) % (uint64_t)(i + 1));
        int64_t swap = out[i];
        out[i] = out[j];
        out[j] = swap;
    }
}
