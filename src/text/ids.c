/* Growable lists of token ids. Invariant: count <= capacity. */
#include "text/ids.h"

#include "base/memory.h"

#include <stdlib.h>

void ids_free(Ids *ids)
{
    free(ids->data);
    *ids = (Ids){0};
}

Status ids_reserve(Ids *ids, int64_t more, Error *e)
{
    if (e->status != OK || ids->count + more <= ids->capacity)
        return e->status;
    int64_t capacity = ids->capacity + ids->capacity / 2 + more + 32;
    int32_t *data = memory_grow(ids->data, capacity, sizeof *data, e);
    if (data) {
        ids->data = data;
        ids->capacity = capacity;
    }
    return e->status;
}

Status ids_repeat(Ids *ids, int32_t id, int64_t times, Error *e)
{
    if (ids_reserve(ids, times, e) != OK)
        return e->status;
    for (int64_t i = 0; i < times; i++)
        ids->data[ids->count + i] = id;
    ids->count += times;
    return OK;
}

Status ids_add(Ids *ids, int32_t id, Error *e)
{
    return ids_repeat(ids, id, 1, e);
}
