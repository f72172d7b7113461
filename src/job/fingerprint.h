/* Fingerprints: whether a half finished work may go on with what it finds now. */
#ifndef MPA_JOB_FINGERPRINT_H
#define MPA_JOB_FINGERPRINT_H

#include "base/error.h"

/* Start with FINGERPRINT_START; each call returns the hash (FNV-1a) of all that was put in so far. */
#define FINGERPRINT_START UINT64_C(0xCBF29CE484222325)
uint64_t fingerprint_bytes(uint64_t h, const void *bytes, size_t count);
uint64_t fingerprint_text(uint64_t h,
                          const char *text); /* with its end, so that "ab", "c" and "a", "bc" differ */
/* The checkpoint in a folder: names and sizes of its files, small files whole, of large ones
 * pieces from all over. 0 with e set: cannot be read. */
uint64_t fingerprint_model(const char *folder, Error *e);

#endif
