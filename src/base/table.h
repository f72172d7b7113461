/* A hash table from numbers to numbers. */
#ifndef MPA_BASE_TABLE_H
#define MPA_BASE_TABLE_H

#include "base/error.h"

/* Owned: table_free. A zeroed one is empty. */
typedef struct {
    uint64_t *key;    /* [capacity] */
    int32_t *value;   /* [capacity]; one more than the value, 0: the slot is empty */
    int64_t capacity; /* a power of two, or 0 */
    int64_t count;
} Table;

void table_free(Table *t);
/* The value of the key; -1: none. */
int32_t table_get(const Table *t, uint64_t key);
/* The key has this value (from 0 up) from now on. */
Status table_set(Table *t, uint64_t key, int32_t value, Error *e);

#endif
