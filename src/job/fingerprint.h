/* Fingerprints: whether a half finished work may go on with what it finds now. */
#ifndef MPA_JOB_FINGERPRINT_H
#define MPA_JOB_FINGERPRINT_H

#include "base/error.h"

/* The checkpoint in a folder: names and sizes of its files, small files whole, of large ones
 * pieces from all over. 0 with e set: cannot be read. */
uint64_t fingerprint_model(const char *folder, Error *e);

#endif
