/* Counts in order, for tables and diagrams. */
#include "report/section.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *key;
    json_int_t count;
} Entry;

static int by_count(const void *a, const void *b)
{
    const Entry *x = a;
    const Entry *y = b;
    if (x->count != y->count)
        return x->count < y->count ? 1 : -1;
    return strcmp(x->key, y->key);
}

json_t *ranking(const json_t *counts, Error *e)
{
    json_t *list = json_array();
    Entry *entry = memory_new((int64_t)json_object_size(counts), sizeof *entry, e);
    size_t n = 0;
    const char *key;
    json_t *count;
    if (!entry)
        return list;
    json_object_foreach(readable(counts), key, count)
    {
        entry[n] = (Entry){key, json_integer_value(count)};
        n++;
    }
    qsort(entry, n, sizeof *entry, by_count);
    for (size_t i = 0; i < n; i++)
        json_append(list, json_pack("{s:s, s:I}", "key", entry[i].key, "count", entry[i].count), e);
    free(entry);
    return list;
}
