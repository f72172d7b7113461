/* Numbers of a fixed byte order, at any address. */
#ifndef MPA_BASE_BYTES_H
#define MPA_BASE_BYTES_H

#include <stdint.h>

/* 32 bits, little-endian. */
static inline uint32_t load_u32(const void *p)
{
    const unsigned char *b = p;
    return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

/* 64 bits, little-endian. */
static inline uint64_t load_u64(const void *p)
{
    const unsigned char *b = p;
    uint64_t v = 0;
    for (int i = 7; i >= 0; i--)
        v = v << 8 | b[i];
    return v;
}

static inline void store_u64(void *p, uint64_t value)
{
    unsigned char *b = p;
    for (int i = 0; i < 8; i++)
        b[i] = (unsigned char)(value >> 8 * i);
}

/* 16 and 32 bits, big-endian. */
static inline uint32_t load_big16(const unsigned char *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}

static inline uint32_t load_big32(const unsigned char *p)
{
    return load_big16(p) << 16 | load_big16(p + 2);
}

#endif
