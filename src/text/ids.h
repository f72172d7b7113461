/* Growable lists of token ids. */
#ifndef MPA_TEXT_IDS_H
#define MPA_TEXT_IDS_H

#include "base/error.h"

/* Owned: ids_free. A zeroed one is empty and valid. */
typedef struct {
    int32_t *data;
    int64_t count, capacity;
} Ids;

void ids_free(Ids *ids);
/* Append one id, or the same id several times. NO_MEMORY leaves the list unchanged. */
Status ids_add(Ids *ids, int32_t id, Error *e);
Status ids_repeat(Ids *ids, int32_t id, int64_t times, Error *e);
/* Makes room for `more` ids from data[count] on. */
Status ids_reserve(Ids *ids, int64_t more, Error *e);

#endif
