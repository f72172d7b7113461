/* Byte-pair merges. The ids of a piece are a doubly linked list; the pairs that have a rule are in a
 * heap, lowest rank first, then leftmost. A merge joins two symbols and puts the two new pairs into
 * the heap. Pairs that it destroyed stay there and are skipped when they come out: their ids are
 * no longer those of the list. */
#include "text/bpe.h"

#include "base/memory.h"

#include <stdlib.h>

struct MergeSlot {
    int32_t left, right, rank, merged; /* merged -1: the slot is empty */
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
    for (uint64_t i = 0; m->slot && i < m->capacity; i++)
        m->slot[i].merged = -1;
    return e->status;
}

void merges_free(Merges *m)
{
    free(m->slot);
    *m = (Merges){0};
}

/* The slot of the pair, or the empty one where it would go. */
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

/* A member of the list. One that was merged into its left neighbour has id -1. */
struct BpeSymbol {
    int32_t id;
    int64_t before, after; /* -1: none */
};

/* A pair that has a rule, or had one when it was put into the heap. */
struct BpeCandidate {
    int64_t at; /* the symbol on the left */
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

static bool goes_before(const Candidate *a, const Candidate *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

static void heap_push(Candidate *heap, int64_t *count, Candidate c)
{
    int64_t i = *count;
    ++*count;
    while (i > 0) {
        int64_t parent = (i - 1) / 2;
        if (!goes_before(&c, heap + parent))
            break;
        heap[i] = heap[parent];
        i = parent;
    }
    heap[i] = c;
}

static Candidate heap_pop(Candidate *heap, int64_t *count)
{
    --*count;
    Candidate top = heap[0];
    Candidate c = heap[*count]; /* sinks from the top */
    int64_t i = 0;
    int64_t child = 1;
    while (child < *count) {
        if (child + 1 < *count && goes_before(heap + child + 1, heap + child))
            child++;
        if (!goes_before(heap + child, &c))
            break;
        heap[i] = heap[child];
        i = child;
        child = 2 * i + 1;
    }
    heap[i] = c;
    return top;
}

static Status work_reserve(BpeWork *w, int64_t count, Error *e)
{
    if (e->status != OK || count <= w->symbols)
        return e->status;
    Symbol *symbol = memory_grow(w->symbol, count, sizeof *symbol, e);
    if (symbol)
        w->symbol = symbol;
    /* At most one candidate for each pair at the start and two for each merge. */
    Candidate *heap = memory_grow(w->heap, 3 * count, sizeof *heap, e);
    if (heap)
        w->heap = heap;
    if (e->status == OK)
        w->symbols = count;
    return e->status;
}

/* The pair of the symbol at `at` and the one after it goes into the heap, if it has a rule. */
static void push_pair(const Merges *m, BpeWork *w, int64_t *candidates, int64_t at)
{
    if (at < 0 || w->symbol[at].after < 0)
        return;
    int32_t left = w->symbol[at].id;
    int32_t right = w->symbol[w->symbol[at].after].id;
    const struct MergeSlot *rule = slot_of(m, left, right);
    if (rule->merged >= 0)
        heap_push(w->heap, candidates, (Candidate){at, rule->rank, left, right});
}

/* Applies the rule of a candidate, unless one of its symbols has changed since. */
static void merge_pair(const Merges *m, BpeWork *w, int64_t *candidates, Candidate c)
{
    Symbol *s = w->symbol;
    int64_t right = s[c.at].id == c.left ? s[c.at].after : -1;
    if (right < 0 || s[right].id != c.right)
        return;
    s[c.at].id = slot_of(m, c.left, c.right)->merged;
    s[c.at].after = s[right].after;
    if (s[right].after >= 0)
        s[s[right].after].before = c.at;
    s[right].id = -1;
    push_pair(m, w, candidates, s[c.at].before);
    push_pair(m, w, candidates, c.at);
}

Status bpe_merge(const Merges *m, BpeWork *w, int32_t *ids, int64_t *count, Error *e)
{
    int64_t n = *count;
    int64_t candidates = 0;
    if (n < 2 || work_reserve(w, n, e) != OK)
        return e->status;
    Symbol *s = w->symbol;
    for (int64_t i = 0; i < n; i++)
        s[i] = (Symbol){ids[i], i - 1, i + 1 < n ? i + 1 : -1};
    for (int64_t i = 0; i < n; i++)
        push_pair(m, w, &candidates, i);
    while (candidates) {
        Candidate c = heap_pop(w->heap, &candidates);
        merge_pair(m, w, &candidates, c);
    }
    *count = 0;
    for (int64_t i = 0; i >= 0; i = s[i].after) {
        ids[*count] = s[i].id;
        ++*count;
    }
    return OK;
}
