/* The tokens of a vocabulary. The hash table is open: a token stands in the first free slot from its
 * hash on. Invariant: at most two thirds of the slots are taken, so a search ends soon. */
#include "text/vocabulary.h"

#include "base/hash.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

Status vocabulary_init(Vocabulary *v, int64_t size, int64_t count, Error *e)
{
    *v = (Vocabulary){.size = size, .slots = 64};
    while (v->slots < (uint64_t)count * 3 / 2)
        v->slots *= 2;
    v->token = memory_new(size, sizeof *v->token, e);
    v->slot = memory_new((int64_t)v->slots, sizeof *v->slot, e);
    if (e->status != OK)
        return e->status;
    for (int64_t i = 0; i < size; i++)
        v->token[i].length = -1;
    for (uint64_t i = 0; i < v->slots; i++)
        v->slot[i] = -1;
    for (int b = 0; b < 256; b++)
        v->byte_id[b] = -1;
    return OK;
}

void vocabulary_free(Vocabulary *v)
{
    text_free(&v->bytes);
    free(v->token);
    free(v->slot);
    *v = (Vocabulary){0};
}

/* The slot of the token with these bytes, or the empty one where it would go. */
static int32_t *slot_of(const Vocabulary *v, const char *bytes, size_t count)
{
    uint64_t h = hash_bytes(HASH_START, bytes, count);
    uint64_t i = (h ^ h >> 32) & (v->slots - 1);
    while (v->slot[i] >= 0) {
        const Token *k = v->token + v->slot[i];
        if (k->length == (int64_t)count && !memcmp(v->bytes.data + k->first, bytes, count))
            break;
        i = (i + 1) & (v->slots - 1);
    }
    return v->slot + i;
}

Status vocabulary_add(Vocabulary *v, int32_t id, const char *bytes, size_t count, Error *e)
{
    int64_t first = (int64_t)v->bytes.count;
    if (text_add_bytes(&v->bytes, bytes, count, e) != OK)
        return e->status;
    v->token[id] = (Token){first, (int64_t)count};
    int32_t *slot = slot_of(v, bytes, count);
    if (*slot >= 0)
        return OK;
    *slot = id;
    if (count == 1)
        v->byte_id[(unsigned char)bytes[0]] = id;
    return OK;
}

int32_t vocabulary_find(const Vocabulary *v, const char *bytes, size_t count)
{
    return *slot_of(v, bytes, count);
}

bool vocabulary_has(const Vocabulary *v, int64_t id)
{
    return id >= 0 && id < v->size && v->token[id].length >= 0;
}
