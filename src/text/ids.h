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
/* Append one id, or the same id several times. False, with the list unchanged, when there is no
 * memory (e is set, NO_MEMORY) and when e has failed already. */
bool ids_add(Ids *ids, int32_t id, Error *e);
bool ids_repeat(Ids *ids, int32_t id, int64_t times, Error *e);
/* Makes room for `more` ids behind data[count - 1]; fails in the same way. */
bool ids_reserve(Ids *ids, int64_t more, Error *e);

#endif
