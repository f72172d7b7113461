/* SHA-256 (FIPS 180-4), by which a file is recognised wherever it lies. */
#ifndef MPA_BASE_SHA256_H
#define MPA_BASE_SHA256_H

#include <stddef.h>

enum { SHA256_DIGITS = 65 }; /* 64 hexadecimal digits and a NUL */
void sha256(char digits[SHA256_DIGITS], const void *bytes, size_t count);

#endif
