/* The start of a process, and its end where nothing can be returned. */
#include "base/start.h"

#include "base/error.h"
#include "base/map_guard.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "base/signals.h"

#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Whether a thread is ending the process already: others that meet the same failure wait for that. */
static volatile sig_atomic_t ending;

void process_end(int status, const char *const *pieces)
{
    char text[1200] = "mpa: ";
    size_t used = strlen(text);
    while (ending)
        pause();
    ending = 1;
    for (; *pieces; pieces++)
        for (const char *p = *pieces; *p && used < sizeof text; p++) {
            text[used] = *p;
            used++;
        }
    const ssize_t written = write(2, text, used); /* in one piece; a handler may call nothing of stdio */
    (void)written;
    _exit(status);
}

/* Jansson does not look at every allocation of its own: what follows a failed one is a crash, or a text
 * that lacks a part. */
static void *json_malloc(size_t size)
{
    static const char *const pieces[] = {"out of memory in JSON; use smaller batches or free some\n", NULL};
    void *p = malloc(size);
    if (!p && size)
        process_end(NO_MEMORY, pieces);
    return p;
}

/* OpenMP ends the process when it cannot start a thread. */
static void fit_threads(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_AS, &r) || r.rlim_cur == RLIM_INFINITY)
        return;
    const size_t stack = !getrlimit(RLIMIT_STACK, &r) && r.rlim_cur != RLIM_INFINITY ? r.rlim_cur : 8 << 20;
    while (parallel_threads() > 1 && !memory_has_room((size_t)parallel_threads() * (stack + (1 << 20))))
        parallel_set_threads(parallel_threads() / 2);
}

/* A file that is opened must not get the number of a closed standard stream: messages would go into it.
 * What is written to a closed standard output still fails. */
static void fill_standard_streams(void)
{
    static const int mode[3] = {O_RDONLY, O_RDONLY, O_WRONLY};
    for (int i = 0; i < 3; i++)
        if (fcntl(i, F_GETFD) < 0 && open("/dev/null", mode[i]) < 0)
            return;
}

void process_start(void)
{
    fill_standard_streams();
    json_set_alloc_funcs(json_malloc, free);
    signals_catch();
    map_guard_start();
    fit_threads();
}
