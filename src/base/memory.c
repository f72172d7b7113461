/* Memory. An arena is a list of blocks; invariant: the blocks before `current` are in use,
 * `current` is in use up to `used`, those after it are free. So allocating moves a position, and
 * releasing to a mark puts it back. */
#define _DEFAULT_SOURCE /* MAP_ANON */

#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

/* Under the address sanitizer what an arena has not handed out may not be touched, and there is a gap behind each
 * allocation: what goes past one is found as it is with malloc. */
#ifdef MPA_SANITIZED
#include <sanitizer/asan_interface.h>
enum { GAP = 64 };
#else
enum { GAP = 0 };
#define ASAN_POISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

enum { ALIGNMENT = 64, BLOCK_BYTES = 1 << 20 };

struct ArenaBlock {
    ArenaBlock *next;
    unsigned char *data; /* aligned, inside the same allocation */
    size_t size;
};

void arena_init(Arena *a)
{
    memset(a, 0, sizeof *a);
}

/* Takes the block at `link` out of the list. */
static ArenaBlock *block_unlink(ArenaBlock **link)
{
    ArenaBlock *b = *link;
    *link = b->next;
    return b;
}

static void blocks_free(Arena *a)
{
    while (a->first)
        free(block_unlink(&a->first));
    a->held = 0;
}

void arena_free(Arena *a)
{
    blocks_free(a);
    arena_init(a);
}

static ArenaBlock *block_new(size_t size, Error *e)
{
    ArenaBlock *b = malloc(sizeof *b + ALIGNMENT + size);
    if (!b) {
        error_set(e, NO_MEMORY, "out of memory (wanted %zu bytes); use smaller batches or pictures", size);
        return NULL;
    }
    uintptr_t start = (uintptr_t)(b + 1);
    b->data = (unsigned char *)(b + 1) + (ALIGNMENT - start % ALIGNMENT) % ALIGNMENT;
    b->size = size;
    b->next = NULL;
    ASAN_POISON_MEMORY_REGION(b->data, size);
    return b;
}

/* The size of a new block that must hold `bytes`: a power of two, but little more than `bytes` where
 * these are many; or all that is expected and not there yet. The first block after arena_release is as
 * large as all blocks ever were. */
static size_t block_size(const Arena *a, size_t bytes)
{
    size_t size = BLOCK_BYTES;
    while (size < bytes)
        size = size > SIZE_MAX / 2 ? bytes : size * 2;
    if (size > bytes + bytes / 4 && bytes > 16 * (size_t)BLOCK_BYTES)
        size = bytes;
    if (a->expected > a->held && size < a->expected - a->held)
        size = a->expected - a->held;
    return !a->first && size < a->peak ? a->peak : size;
}

/* Makes `current` a block with room for `bytes`: a free one, else a new one, for which free ones are given back, all of
 * them too small, until they were as large: a pass whose parts differ takes little more than its largest part. */
static bool block_take(Arena *a, size_t bytes, Error *e)
{
    ArenaBlock **first_free = a->current ? &a->current->next : &a->first;
    ArenaBlock **found = first_free;
    while (*found && (*found)->size < bytes)
        found = &(*found)->next;
    ArenaBlock *b;
    if (*found) {
        b = block_unlink(found);
    } else {
        const size_t size = block_size(a, bytes);
        for (size_t freed = 0; *first_free && freed < size;) {
            ArenaBlock *small = block_unlink(first_free);
            freed += small->size;
            a->held -= small->size;
            free(small);
        }
        b = block_new(size, e);
        if (!b)
            return false;
        a->held += size;
    }
    b->next = *first_free;
    *first_free = b;
    a->current = b;
    a->used = 0;
    return true;
}

/* Whether there may be so many bytes at all; a quarter of the address space leaves room for sums. */
static bool fits(int64_t count, size_t size)
{
    return count >= 0 && (!size || (uint64_t)count <= (SIZE_MAX / 4) / size);
}

void *arena_alloc(Arena *a, int64_t count, size_t size, Error *e)
{
    if (e->status != OK)
        return NULL;
    if (!fits(count, size)) {
        error_set(e, NO_MEMORY, "an allocation of %lld times %zu bytes is too large", (long long)count, size);
        return NULL;
    }
    size_t bytes = ((size_t)count * size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if ((!a->current || a->current->size - a->used < bytes + GAP) && !block_take(a, bytes + GAP, e))
        return NULL;
    void *p = a->current->data + a->used;
    ASAN_UNPOISON_MEMORY_REGION(p, (size_t)count * size);
    a->used += bytes + GAP;
    a->total += bytes;
    if (a->total > a->peak)
        a->peak = a->total;
    return p;
}

void *arena_zero(Arena *a, int64_t count, size_t size, Error *e)
{
    void *p = arena_alloc(a, count, size, e);
    return p ? memset(p, 0, (size_t)count * size) : NULL;
}

char *arena_copy(Arena *a, const char *text, Error *e)
{
    if (e->status != OK)
        return NULL;
    size_t n = strlen(text) + 1;
    char *p = arena_alloc(a, (int64_t)n, 1, e);
    return p ? memcpy(p, text, n) : NULL;
}

ArenaMark arena_mark(const Arena *a)
{
    return (ArenaMark){a->current, a->used, a->total};
}

/* Guards all that is free. */
static void forbid_free(const Arena *a)
{
#ifdef MPA_SANITIZED
    for (ArenaBlock *b = a->current ? a->current : a->first; b; b = b->next) {
        const size_t kept = b == a->current ? a->used : 0;
        ASAN_POISON_MEMORY_REGION(b->data + kept, b->size - kept);
    }
#else
    (void)a;
#endif
}

void arena_release(Arena *a, ArenaMark mark)
{
    a->current = mark.block;
    a->used = mark.used;
    a->total = mark.total;
    forbid_free(a);
    if (!a->current && a->first && a->first->next)
        blocks_free(a);
}

void *memory_new(int64_t count, size_t size, Error *e)
{
    if (e->status != OK)
        return NULL;
    void *p = NULL;
    if (fits(count, size))
        p = calloc(count ? (size_t)count : 1, size ? size : 1);
    if (!p)
        error_set(e, NO_MEMORY, "out of memory (wanted %lld times %zu bytes)", (long long)count, size);
    return p;
}

void *memory_grow(void *old, int64_t count, size_t size, Error *e)
{
    if (e->status != OK)
        return NULL;
    void *p = NULL;
    if (fits(count, size))
        p = realloc(old, count && size ? (size_t)count * size : 1);
    if (!p)
        error_set(e, NO_MEMORY, "out of memory (wanted %lld times %zu bytes)", (long long)count, size);
    return p;
}

void *memory_reserve(void *array, int64_t count, int64_t *capacity, size_t size, Error *e)
{
    const int64_t wider = *capacity * 2 + 64;
    if (count < *capacity)
        return array;
    void *more = memory_grow(array, wider, size, e);
    if (!more)
        return array;
    *capacity = wider;
    return more;
}

char *memory_copy_bytes(const char *bytes, size_t count, Error *e)
{
    char *p = memory_new(count < SIZE_MAX / 4 ? (int64_t)count + 1 : -1, 1, e);
    if (p && count)
        memcpy(p, bytes, count);
    return p;
}

char *memory_copy(const char *text, Error *e)
{
    return e->status == OK ? memory_copy_bytes(text, strlen(text), e) : NULL;
}

/* The number after `key` in a file of lines such as "MemAvailable:  123 kB", times `unit`;
 * UINT64_MAX where there is none. */
static uint64_t number_in_file(const char *path, const char *key, uint64_t unit)
{
    FILE *f = fopen(path, "r");
    if (!f)
        return UINT64_MAX;
    char line[256];
    uint64_t value = UINT64_MAX;
    while (value == UINT64_MAX && fgets(line, sizeof line, f)) {
        unsigned long long n;
        if (!strncmp(line, key, strlen(key)) && sscanf(line + strlen(key), " %llu", &n) == 1)
            value = (uint64_t)n * unit;
    }
    fclose(f);
    return value;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t difference_or_zero(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

uint64_t memory_available(void)
{
    uint64_t room = number_in_file("/proc/meminfo", "MemAvailable:", 1024);
    uint64_t limit = number_in_file("/sys/fs/cgroup/memory.max", "", 1);
    uint64_t used = number_in_file("/sys/fs/cgroup/memory.current", "", 1);
    if (limit != UINT64_MAX && used != UINT64_MAX)
        room = min_u64(room, difference_or_zero(limit, used));
    struct rlimit r;
    if (!getrlimit(RLIMIT_AS, &r) && r.rlim_cur != RLIM_INFINITY) {
        uint64_t size = number_in_file("/proc/self/status", "VmSize:", 1024);
        room = min_u64(room, difference_or_zero(r.rlim_cur, size));
    }
    return room == UINT64_MAX ? 0 : room;
}

bool memory_has_room(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANON, -1, 0);
    if (p == MAP_FAILED)
        return false;
    munmap(p, bytes);
    return true;
}

uint64_t memory_peak(void)
{
    struct rusage u;
    return getrusage(RUSAGE_SELF, &u) ? 0 : (uint64_t)u.ru_maxrss * 1024;
}

void memory_peak_restart(void)
{
    static const char peak = '5'; /* proc(5): resets the peak resident set size */
    const int f = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
    if (f < 0)
        return;
    if (pwrite(f, &peak, sizeof peak, 0) < 0)
        errno = 0; /* then the peak goes on */
    close(f);
}

uint64_t bytes_read(void)
{
    enum { BLOCK = 512 };
    struct rusage u;
    return getrusage(RUSAGE_SELF, &u) ? 0 : (uint64_t)u.ru_inblock * BLOCK;
}
