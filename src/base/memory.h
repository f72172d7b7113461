/* Memory: checked allocation, and arenas that are marked and released.
 *
 * An arena is a list of blocks that only grows. Release to a mark frees everything allocated since
 * then but keeps the blocks, so that a training step reuses the memory (and the page tables) of
 * the step before. Data are aligned to 64 bytes. */
#ifndef MPA_BASE_MEMORY_H
#define MPA_BASE_MEMORY_H

#include "base/error.h"

typedef struct ArenaBlock ArenaBlock;

typedef struct {
    ArenaBlock *first, *current; /* owned; blocks after current are free */
    size_t used;                 /* bytes handed out of current */
    size_t total, peak;          /* bytes handed out now, and the maximum since arena_init */
    size_t held;                 /* bytes of all blocks */
    size_t expected;             /* bytes that will be needed, where that is known; 0: it is not */
} Arena;

typedef struct {
    ArenaBlock *block;
    size_t used, total;
} ArenaMark;

void arena_init(Arena *a);
void arena_free(Arena *a);
/* count * size bytes, not cleared; NULL, with e set (NO_MEMORY), when there is no memory or the
 * product overflows; NULL at once when e has failed already. Zero bytes give a valid pointer. The
 * result lives until the arena is released to an earlier mark. */
void *arena_alloc(Arena *a, int64_t count, size_t size, Error *e);
void *arena_zero(Arena *a, int64_t count, size_t size, Error *e); /* the same, cleared */
char *arena_copy(Arena *a, const char *text, Error *e);           /* a copy of a string */
ArenaMark arena_mark(const Arena *a);
/* Frees everything allocated since the mark. An arena that becomes empty is given one block the
 * next time, as large as it ever needed: passes of changing shapes would otherwise leave more and
 * more blocks behind. */
void arena_release(Arena *a, ArenaMark mark);

/* malloc/calloc/realloc with overflow checks; NULL, with e set (NO_MEMORY), on failure, and NULL
 * at once when e has failed already. The result is owned by the caller: free(). */
void *memory_new(int64_t count, size_t size, Error *e); /* cleared */
/* Not cleared beyond what `old` held; `old` stays valid (and owned) on failure. */
void *memory_grow(void *old, int64_t count, size_t size, Error *e);
/* An array of count elements with room for one more: grown where it has no more than *capacity. After
 * a failure the array is still there, and as it was. */
void *memory_reserve(void *array, int64_t count, int64_t *capacity, size_t size, Error *e);
char *memory_copy(const char *text, Error *e); /* of a string */
/* Of `count` bytes; a NUL is added. */
char *memory_copy_bytes(const char *bytes, size_t count, Error *e);

/* Bytes that this process may still take: the minimum of what the machine has available, what the
 * control group's limit leaves and what RLIMIT_AS leaves; 0: unknown. */
uint64_t memory_available(void);
/* Whether so many bytes of address space can be had now, in one piece. */
bool memory_has_room(size_t bytes);
/* The largest resident size of this process so far, in bytes; 0: unknown. */
uint64_t memory_peak(void);
/* "So far" begins anew, where the system can do that; else nothing happens. */
void memory_peak_restart(void);
/* Bytes that this process had read from disks so far, pages of maps among them: what the machine's file cache held
 * does not count. */
uint64_t bytes_read(void);

#endif
