/* What a process sets up before any work. */
#ifndef MPA_BASE_START_H
#define MPA_BASE_START_H

/* Closed standard streams are opened; signals are caught (signals.h); a map that is cut is named
 * (map_guard.h); JSON that finds no memory ends the process with NO_MEMORY; no more threads run than the
 * address space has stacks for. */
void process_start(void);

/* Writes "mpa: " and the pieces, which end with NULL, to standard error and ends the process at once with
 * that exit status. For handlers and for libraries that cannot report a failure: it needs no memory. What
 * is on disk stays as it is, and files are only ever replaced whole. */
void process_end(int status, const char *const *pieces);

#endif
