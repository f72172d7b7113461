/* Files that are mapped now. A map shows its file as it is: where the file is cut, reading the map is a
 * bus error, or zeros up to the end of the page. */
#ifndef MPA_BASE_MAP_GUARD_H
#define MPA_BASE_MAP_GUARD_H

#include "base/error.h"

/* A bus error inside a map ends the process with BAD_INPUT and a message that names the file; one
 * elsewhere ends it as it would have. */
void map_guard_start(void);

/* `descriptor` is that of the file, open, mapped at start .. start + size - 1. NO_MEMORY. */
Status map_guard_add(const char *path, int descriptor, const void *start, size_t size, Error *e);
void map_guard_remove(const void *start);

/* BAD_INPUT names a mapped file that is no longer as it was when it was mapped: another size or time of
 * change. A file that was replaced by another of its name is still there for the map. */
Status map_guard_check(Error *e);

#endif
