/* The table is open: a key stands in the first free slot from its hash on. Invariant: at most half of the
 * slots are taken, so a search ends soon. */
#include "base/table.h"

#include "base/memory.h"

#include <stdlib.h>

void table_free(Table *t)
{
    free(t->key);
    free(t->value);
    *t = (Table){0};
}

/* The slot of the key, or the empty one where it would go. */
static int64_t slot_of(const Table *t, uint64_t key)
{
    const uint64_t hash = (key ^ key >> 31) * UINT64_C(0x9E3779B97F4A7C15);
    int64_t i = (int64_t)(hash >> 20) & (t->capacity - 1);
    while (t->value[i] && t->key[i] != key)
        i = (i + 1) & (t->capacity - 1);
    return i;
}

int32_t table_get(const Table *t, uint64_t key)
{
    return t->capacity ? t->value[slot_of(t, key)] - 1 : -1;
}

static Status grow(Table *t, Error *e)
{
    Table wide = {.capacity = t->capacity ? 2 * t->capacity : 64, .count = t->count};
    wide.key = memory_new(wide.capacity, sizeof *wide.key, e);
    wide.value = memory_new(wide.capacity, sizeof *wide.value, e);
    if (e->status != OK) {
        table_free(&wide);
        return e->status;
    }
    for (int64_t i = 0; i < t->capacity; i++)
        if (t->value[i]) {
            const int64_t slot = slot_of(&wide, t->key[i]);
            wide.key[slot] = t->key[i];
            wide.value[slot] = t->value[i];
        }
    table_free(t);
    *t = wide;
    return OK;
}

Status table_set(Table *t, uint64_t key, int32_t value, Error *e)
{
    if (e->status != OK || (2 * t->count >= t->capacity && grow(t, e) != OK))
        return e->status;
    const int64_t slot = slot_of(t, key);
    t->count += !t->value[slot];
    t->key[slot] = key;
    t->value[slot] = value + 1;
    return OK;
}
