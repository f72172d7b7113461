/* A folder that only one process may work in. */
#ifndef MPA_BASE_LOCK_H
#define MPA_BASE_LOCK_H

#include "base/error.h"

/* Owned: folder_unlock. A zeroed one holds nothing. */
typedef struct {
    char *path; /* of the file "lock" in the folder; owned. The file exists while the lock is held */
    int descriptor;
} FolderLock;

/* FAILED, without waiting, when another process holds the lock. A process that ends, in whatever
 * way, gives it back. Where the file system knows no locks, nothing is locked. */
Status folder_lock(FolderLock *lock, const char *folder, Error *e);
void folder_unlock(FolderLock *lock);

#endif
