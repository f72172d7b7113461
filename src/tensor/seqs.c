/* The key/value cache: memory for all layers and slots at once. Attention writes into it, layer
 * by layer, behind the `length` rows of a slot; kv_cache_advance then counts these rows, once
 * for all layers. */
#include "tensor/seqs.h"

#include <string.h>

KvCache *kv_cache_new(Run *run, int64_t layers, int64_t width, const int64_t *capacity, int64_t slots)
{
    KvCache *c = run_alloc(run, 1, sizeof *c);
    int64_t *numbers = run_alloc(run, 3 * slots + 1, sizeof *numbers);
    if (!c || !numbers)
        return NULL;
    *c = (KvCache){.layers = layers,
                   .width = width,
                   .slots = slots,
                   .first = numbers,
                   .length = numbers + slots + 1,
                   .slot = numbers + 2 * slots + 1};
    c->first[0] = 0;
    for (int64_t s = 0; s < slots; s++) {
        c->first[s + 1] = c->first[s] + capacity[s];
        c->length[s] = 0;
        c->slot[s] = s;
    }
    c->key = run_alloc(run, layers * c->first[slots] * width, sizeof *c->key);
    c->value = run_alloc(run, layers * c->first[slots] * width, sizeof *c->value);
    return c->key && c->value ? c : NULL;
}

int64_t kv_cache_bytes(int64_t layers, int64_t width, int64_t rows)
{
    return 2 * layers * width * rows * (int64_t)sizeof(float);
}

void kv_cache_advance(KvCache *c, const Seqs *seqs)
{
    for (int64_t s = 0; s < seqs->count; s++)
        c->length[c->slot[s]] += seqs->start[s + 1] - seqs->start[s];
}
