#include "text/bpe.h"

#include "base/memory.h"

#include <stdlib.h>

struct MergeSlot {
    int32_t left, right, rank, merged; /* merged -1: empty */
};

static uint64_t hash_pair(int32_t left, int32_t right)
{
    uint64_t x = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * UINT64_C(0x9E3779B97F4A7C15);
    return x ^ x >> 29;
}

Status merges_init(Merges *m, int64_t count, Error *e)
{
    m->capacity = 16;
    while (m->capacity < (uint64_t)count * 3 / 2)
        m->capacity *= 2;
    m->slot = memory_new((int64_t)m->capacity, sizeof *m->slot, e);
    if (!m->slot)
        return NO_MEMORY;
    for (uint64_t i = 0; i < m->capacity; i++)
        m->slot[i].merged = -1;
    return OK;
}

void merges_free(Merges *m)
{
    free(m->slot);
    *m = (Merges){0};
}

static struct MergeSlot *slot_of(const Merges *m, int32_t left, int32_t right)
{
    uint64_t i = hash_pair(left, right) & (m->capacity - 1);
    while (m->slot[i].merged >= 0 && (m->slot[i].left != left || m->slot[i].right != right))
        i = (i + 1) & (m->capacity - 1);
    return m->slot + i;
}

void merges_add(Merges *m, int32_t left, int32_t right, int32_t rank, int32_t merged)
{
    *slot_of(m, left, right) = (struct MergeSlot){left, right, rank, merged};
}

/* A doubly linked list over the piece; a symbol that was merged into its left neighbour has id -1. */
struct BpeSymbol {
    int32_t id;
    int64_t before, after;
};

/* A pair that can be merged; stale when the symbols at its places have changed since. */
struct BpeCandidate {
    int64_t at;
    int32_t rank, left, right;
};

typedef struct BpeSymbol Symbol;
typedef struct BpeCandidate Candidate;

void bpe_free(BpeWork *w)
{
    free(w->symbol);
    free(w->heap);
    *w = (BpeWork){0};
}

static bool before(const Candidate *a, const Candidate *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

static void heap_push(Candidate *heap, int64_t *count, Candidate c)
{
    int64_t i = (*count)++;
    for (int64_t parent; i > 0 && before(&c, heap + (parent = (i - 1) / 2)); i = parent)
        heap[i] = heap[parent];
    heap[i] = c;
}

static Candidate heap_pop(Candidate *heap, int64_t *count)
{
    Candidate top = heap[0], c = heap[--*count];
    int64_t i = 0;
    for (int64_t child; (child = 2 * i + 1) < *count; i = child) {
        if (child + 1 < *count && before(heap + child + 1, heap + child))
            child++;
        if (!before(heap + child, &c))
            break;
        heap[i] = heap[child];
    }
    heap[i] = c;
    return top;
}

static bool work_reserve(BpeWork *w, int64_t count, Error *e)
{
    if (count <= w->symbols)
        return true;
    Symbol *symbol = memory_grow(w->symbol, count, sizeof *symbol, e);
    if (symbol)
        w->symbol = symbol;
    /* At most one candidate for each first pair and two for each merge. */
    Candidate *heap = symbol ? memory_grow(w->heap, 3 * count, sizeof *heap, e) : NULL;
    if (!heap)
        return false;
    w->heap = heap;
    w->symbols = count;
    return true;
}

static void push_pair(const Merges *m, BpeWork *w, int64_t *heaps, int64_t at)
{
    if (at < 0 || w->symbol[at].after < 0)
        return;
    int32_t left = w->symbol[at].id, right = w->symbol[w->symbol[at].after].id;
    const struct MergeSlot *s = slot_of(m, left, right);
    if (s->merged >= 0)
        heap_push(w->heap, heaps, (Candidate){at, s->rank, left, right});
}

int64_t bpe_merge(const Merges *m, BpeWork *w, int32_t *ids, int64_t count, Error *e)
{
    if (count < 2)
        return count;
    if (!work_reserve(w, count, e))
        return -1;
    Symbol *s = w->symbol;
    int64_t heaps = 0, kept = 0;
    for (int64_t i = 0; i < count; i++)
        s[i] = (Symbol){ids[i], i - 1, i + 1 < count ? i + 1 : -1};
    for (int64_t i = 0; i < count; i++)
        push_pair(m, w, &heaps, i);
    while (heaps) {
        Candidate c = heap_pop(w->heap, &heaps);
        int64_t right = s[c.at].id == c.left ? s[c.at].after : -1;
        if (right < 0 || s[right].id != c.right)
            continue;
        s[c.at].id = slot_of(m, c.left, c.right)->merged;
        s[c.at].after = s[right].after;
        if (s[right].after >= 0)
            s[s[right].after].before = c.at;
        s[right].id = -1;
        push_pair(m, w, &heaps, s[c.at].before);
        push_pair(m, w, &heaps, c.at);
    }
    for (int64_t i = 0; i >= 0; i = s[i].after)
        ids[kept++] = s[i].id;
    return kept;
}
