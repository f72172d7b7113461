/* How much a disk still takes. */
#ifndef MPA_BASE_DISK_H
#define MPA_BASE_DISK_H

#include "base/error.h"

#include <stdbool.h>

typedef struct {
    int64_t bytes;   /* that may still be written; INT64_MAX: unknown */
    int64_t largest; /* bytes that one file may have (RLIMIT_FSIZE); INT64_MAX: any number */
} DiskRoom;

/* Of the disk that `folder` is on, or will be on: its nearest parent that is there counts. */
DiskRoom disk_room(const char *folder);
/* Whether both folders are, or will be, on the same disk. */
bool disk_is_same(const char *folder, const char *other);

#endif
