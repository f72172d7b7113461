/* A hash that tells whether something is still what it was (FNV-1a, 64 bits). It does not protect
 * against someone who wants two things to look the same. */
#ifndef MPA_BASE_HASH_H
#define MPA_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* Start with HASH_START; each call returns the hash of everything put in so far. */
#define HASH_START UINT64_C(0xCBF29CE484222325)
uint64_t hash_bytes(uint64_t h, const void *bytes, size_t count);
/* The string and its end, so that "ab", "c" and "a", "bc" differ. */
uint64_t hash_text(uint64_t h, const char *text);
/* Eight bytes at a time, little-endian, then what is left: another hash, and a faster one, for
 * files of gigabytes. A product carries a change upward only; so the upper half is folded into the
 * lower one after each word, else two changed signs could hide each other. */
uint64_t hash_words(uint64_t h, const void *bytes, size_t count);

/* hash_words of bytes that come in pieces of any length. */
typedef struct {
    uint64_t hash; /* of the whole words so far; HASH_START at first */
    unsigned char rest[8];
    size_t count; /* bytes in `rest` */
} HashStream;
void hash_stream_add(HashStream *s, const void *bytes, size_t count);
uint64_t hash_stream_end(const HashStream *s);

#endif
