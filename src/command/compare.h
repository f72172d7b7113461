/* `mpa compare`: which tensor of two safetensors files departs first, and by how much. */
#ifndef MPA_COMMAND_COMPARE_H
#define MPA_COMMAND_COMPARE_H

#include "base/error.h"

#include <stdio.h>

/* Walks the tensors of file a in the order of their data and writes to `out` a table: name,
 * shape, largest |a - b|, rms of a, their ratio, verdict; then the tensors that only b has; in
 * the last line the first that departs, or that none does. A tensor agrees when it has the same
 * type and shape and every |a[i] - b[i]| <= tolerance * rms(a), rms over a's finite values;
 * tolerance 0: equal values (so +0 = -0). Numbers that are not finite agree only with
 * themselves: an infinity with the same infinity, NaN with none at all, not with NaN either.
 * Integers are compared exactly where no tolerance is given, and types without arithmetic (F8,
 * F6, F4, C64) by their bytes always. OK: no tensor departs. DIFFERENT: one does, or is missing
 * on either side. BAD_INPUT: a file cannot be read. FAILED: `out` cannot be written. */
Status compare_files(const char *a, const char *b, double tolerance, FILE *out, Error *e);

#endif
