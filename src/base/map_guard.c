/* The list of the files that are mapped. Invariant: every map of file.c is in it, from before the first
 * read to its end. A handler has no argument, so the list is state that cannot be passed; files are
 * mapped and unmapped outside parallel loops. */
#define _XOPEN_SOURCE 700 /* si_addr, SA_SIGINFO */

#include "base/map_guard.h"

#include "base/memory.h"
#include "base/printable.h"
#include "base/start.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct Guarded Guarded;
struct Guarded {
    Guarded *volatile next;
    const unsigned char *start;
    size_t size;
    dev_t device; /* the file as it was when it was mapped */
    ino_t inode;
    off_t length;
    struct timespec changed;
    char *shown; /* the path, printable; behind it in the same memory */
    char path[];
};

static Guarded *volatile maps;

static void on_bus_error(int number, siginfo_t *info, void *context)
{
    const unsigned char *at = info->si_addr;
    (void)context;
    for (const Guarded *g = maps; g; g = g->next)
        if (at >= g->start && at < g->start + g->size) {
            const char *const pieces[] = {
                g->shown,
                ": cannot be read any more: it was cut while it was in use, or its disk "
                "failed; put it back whole and run the same command again\n",
                NULL};
            process_end(BAD_INPUT, pieces);
        }
    signal(number, SIG_DFL); /* the instruction is run again */
}

void map_guard_start(void)
{
    struct sigaction a;
    memset(&a, 0, sizeof a);
    a.sa_sigaction = on_bus_error;
    a.sa_flags = SA_SIGINFO;
    sigemptyset(&a.sa_mask);
    sigaction(SIGBUS, &a, NULL);
}

Status map_guard_add(const char *path, int descriptor, const void *start, size_t size, Error *e)
{
    struct stat s;
    const size_t length = strlen(path) + 1;
    Guarded *g = memory_new(1, sizeof *g + 2 * length, e);
    if (!g)
        return e->status;
    memcpy(g->path, path, length);
    g->shown = memcpy(g->path + length, path, length);
    make_printable(g->shown, false);
    g->start = start;
    g->size = size;
    if (!fstat(descriptor, &s)) {
        g->device = s.st_dev;
        g->inode = s.st_ino;
        g->length = s.st_size;
        g->changed = s.st_mtim;
    }
    g->next = maps;
    maps = g;
    return OK;
}

void map_guard_remove(const void *start)
{
    Guarded *volatile *link = &maps;
    while (*link && (*link)->start != start)
        link = &(*link)->next;
    Guarded *g = *link;
    if (g)
        *link = g->next;
    free(g);
}

Status map_guard_check(Error *e)
{
    for (const Guarded *g = maps; g && e->status == OK; g = g->next) {
        struct stat s;
        if (!stat(g->path, &s) && s.st_dev == g->device && s.st_ino == g->inode &&
            (s.st_size != g->length || s.st_mtim.tv_sec != g->changed.tv_sec ||
             s.st_mtim.tv_nsec != g->changed.tv_nsec))
            error_set(
                e, BAD_INPUT,
                "%s: was changed while it was in use (from %lld bytes to %lld); what was computed with it is "
                "left out; run the same command again",
                g->path, (long long)g->length, (long long)s.st_size);
    }
    return e->status;
}
