/* Calls that fail, for tests/torture/torture.sh: preloaded before the C library (LD_PRELOAD).
 *
 *     TORTURE="KIND N ERRNO HOW"   the N-th call of a kind fails; HOW once, ever (it and all after it) or short
 *                                  (a write of half of the bytes)
 *     TORTURE_COUNT=FILE           where the number of calls of each kind is written at the end, and behind it which of
 *                                  them were the first on their path: by the functions that lead to the call
 *     TORTURE_DISK="BYTES FOLDER"  what lies below the folder is on a disk of its own, with room for so many bytes
 *
 * Kinds: alloc, open, read, write, sync, close, rename, make, remove, cut, map. Counting begins when the program
 * has started (it sets its handler of SIGBUS then): what libraries do when they are loaded is not its own. */
#define _GNU_SOURCE

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { ALLOC, OPEN, READ, WRITE, SYNC, CLOSE, RENAME, MAKE, REMOVE, CUT, MAP, KINDS };
static const char *const names[KINDS] = {"alloc",  "open", "read",   "write", "sync", "close",
                                         "rename", "make", "remove", "cut",   "map"};

static bool armed;
static int wanted = -1; /* the kind that fails */
static long at;
static int why;
static char how;
static long count[KINDS];

/* The first calls, in their order, and the paths that were seen: a table of hashes. */
enum { SLOTS = 1 << 16, FRAMES = 64 };
static bool watches;
static uint64_t seen[SLOTS];
static struct {
    int kind;
    long number;
} first[SLOTS / 2];
static int firsts;

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);

static void arm(void)
{
    char kind[20], manner[20];
    const char *text = getenv("TORTURE");
    if (text && sscanf(text, "%19s %ld %d %19s", kind, &at, &why, manner) == 4)
        for (int i = 0; i < KINDS; i++)
            if (!strcmp(names[i], kind))
                wanted = i;
    how = wanted >= 0 ? manner[0] : 0;
    watches = getenv("TORTURE_COUNT") != NULL;
    armed = true;
}

/* Notes a call whose path is new. */
static void watch(int kind)
{
    void *frame[FRAMES];
    armed = false; /* to follow the path takes memory */
    const int depth = backtrace(frame, FRAMES);
    armed = true;
    uint64_t hash = 14695981039346656037u + (uint64_t)kind;
    for (int i = 0; i < depth; i++)
        hash = (hash ^ (uint64_t)(uintptr_t)frame[i]) * 1099511628211u;
    size_t slot = hash % SLOTS;
    while (seen[slot] && seen[slot] != hash)
        slot = (slot + 1) % SLOTS;
    if (!seen[slot] && firsts < SLOTS / 2) {
        seen[slot] = hash;
        first[firsts].kind = kind;
        first[firsts++].number = count[kind];
    }
}

static bool fails(int kind)
{
    if (!armed)
        return false;
    count[kind]++;
    if (watches)
        watch(kind);
    if (kind != wanted || count[kind] < at || (how != 'e' && count[kind] > at))
        return false;
    errno = why;
    return true;
}

__attribute__((destructor)) static void report(void)
{
    const char *path =
        armed ? getenv("TORTURE_COUNT") : NULL; /* not of a program before the one that is meant */
    armed = false;
    FILE *f = path ? fopen(path, "w") : NULL;
    for (int i = 0; f && i < KINDS; i++) {
        fprintf(f, "%s %ld", names[i], count[i]);
        for (int k = 0; k < firsts; k++)
            if (first[k].kind == i)
                fprintf(f, " %ld", first[k].number);
        fputc('\n', f);
    }
    if (f)
        fclose(f);
}

/* The function of that name behind this one. */
#define BEHIND(type, name) ((type)(size_t)dlsym(RTLD_NEXT, name))

int sigaction(int number, const struct sigaction *new, struct sigaction *old)
{
    if (number == SIGBUS && !armed)
        arm();
    return BEHIND(int (*)(int, const struct sigaction *, struct sigaction *), "sigaction")(number, new, old);
}

/* OpenMP's library ends the process with its own words when it has no memory; there is nothing to test in that. */
static bool is_openmp(const void *caller)
{
    Dl_info about;
    const bool was = armed;
    armed = false;
    const bool is = was && dladdr(caller, &about) && about.dli_fname && strstr(about.dli_fname, "omp");
    armed = was;
    return is;
}

void *malloc(size_t size)
{
    return !is_openmp(__builtin_return_address(0)) && fails(ALLOC) ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    return !is_openmp(__builtin_return_address(0)) && fails(ALLOC) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *old, size_t size)
{
    return !is_openmp(__builtin_return_address(0)) && fails(ALLOC) ? NULL : __libc_realloc(old, size);
}

int open64(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    const int mode = flags & O_CREAT ? va_arg(args, int) : 0;
    va_end(args);
    return fails(OPEN) ? -1 : BEHIND(int (*)(const char *, int, ...), "open64")(path, flags, mode);
}

ssize_t read(int fd, void *bytes, size_t n)
{
    return fails(READ) ? -1 : BEHIND(ssize_t(*)(int, void *, size_t), "read")(fd, bytes, n);
}

ssize_t write(int fd, const void *bytes, size_t n)
{
    const bool bad = fd > 2 && fails(WRITE);
    if (bad && how != 's')
        return -1;
    return BEHIND(ssize_t(*)(int, const void *, size_t), "write")(fd, bytes, bad ? n / 2 : n);
}

int fsync(int fd)
{
    return fails(SYNC) ? -1 : BEHIND(int (*)(int), "fsync")(fd);
}

int close(int fd)
{
    const int status = BEHIND(int (*)(int), "close")(fd);
    return fails(CLOSE) ? -1 : status;
}

int rename(const char *from, const char *to)
{
    return fails(RENAME) ? -1 : BEHIND(int (*)(const char *, const char *), "rename")(from, to);
}

int mkdir(const char *path, mode_t mode)
{
    return fails(MAKE) ? -1 : BEHIND(int (*)(const char *, mode_t), "mkdir")(path, mode);
}

int unlink(const char *path)
{
    return fails(REMOVE) ? -1 : BEHIND(int (*)(const char *), "unlink")(path);
}

int rmdir(const char *path)
{
    return fails(REMOVE) ? -1 : BEHIND(int (*)(const char *), "rmdir")(path);
}

int truncate64(const char *path, off64_t size)
{
    return fails(CUT) ? -1 : BEHIND(int (*)(const char *, off64_t), "truncate64")(path, size);
}

void *mmap64(void *where, size_t size, int protection, int flags, int fd, off64_t first)
{
    if (fd >= 0 && fails(MAP))
        return MAP_FAILED;
    return BEHIND(void *(*)(void *, size_t, int, int, int, off64_t), "mmap64")(where, size, protection, flags,
                                                                               fd, first);
}

DIR *opendir(const char *path)
{
    return fails(OPEN) ? NULL : BEHIND(DIR * (*)(const char *), "opendir")(path);
}

int statvfs64(const char *path, struct statvfs64 *disk)
{
    const int r = BEHIND(int (*)(const char *, struct statvfs64 *), "statvfs64")(path, disk);
    const char *small = getenv("TORTURE_DISK");
    char *folder = NULL;
    const unsigned long long bytes = small ? strtoull(small, &folder, 10) : 0;
    if (!r && folder && *folder == ' ' && !strncmp(path, folder + 1, strlen(folder + 1))) {
        disk->f_bavail = bytes / disk->f_frsize;
        disk->f_fsid++;
    }
    return r;
}
