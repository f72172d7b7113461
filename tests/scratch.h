/* A folder of a test's own below TMPDIR (or /tmp) for the files that it writes. Failures end the running test. */
#ifndef MPA_TESTS_SCRATCH_H
#define MPA_TESTS_SCRATCH_H

#include <stddef.h>

typedef struct {
    char folder[200], path[320];
} Scratch;

void scratch_make(Scratch *s);
void scratch_remove(Scratch *s); /* with the files in it */
/* The path of a file in it; good until the next call. */
const char *scratch_path(Scratch *s, const char *name);
/* Writes such a file and returns its path. */
const char *scratch_write(Scratch *s, const char *name, const void *bytes, size_t count);

#endif
