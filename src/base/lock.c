/* A lock on a folder: a POSIX record lock on the file "lock" in it. The system gives the lock up when
 * the process ends, so a file that a kill left behind locks nothing. */
#include "base/lock.h"

#include "base/file.h"
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whether the path still names the open file: its last owner may have removed it before we got the
 * lock. */
static bool is_same(int descriptor, const char *path)
{
    struct stat ours, named;
    return !fstat(descriptor, &ours) && !stat(path, &named) && ours.st_ino == named.st_ino &&
           ours.st_dev == named.st_dev;
}

/* Opens and locks the file; false with e set, or, e untouched, when the file is no longer the one
 * in the folder and the caller must try again. */
static bool try_lock(FolderLock *lock, const char *folder, Error *e)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    lock->descriptor = open(lock->path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (lock->descriptor < 0)
        file_failed(lock->path, "create", e);
    else if (fcntl(lock->descriptor, F_SETLK, &whole) && (errno == EACCES || errno == EAGAIN))
        error_set(e, FAILED,
                  "%s: another mpa is at work in this run folder; wait for its end, or use another run.dir",
                  folder);
    else if (is_same(lock->descriptor, lock->path))
        return true;
    if (lock->descriptor >= 0)
        close(lock->descriptor);
    return false;
}

Status folder_lock(FolderLock *lock, const char *folder, Error *e)
{
    bool held = false;
    *lock = (FolderLock){path_join(folder, "lock", e), -1};
    while (e->status == OK && !held)
        held = try_lock(lock, folder, e);
    if (!held) {
        free(lock->path);
        *lock = (FolderLock){0};
    }
    return e->status;
}

void folder_unlock(FolderLock *lock)
{
    if (!lock->path)
        return;
    unlink(lock->path);
    close(lock->descriptor);
    free(lock->path);
    *lock = (FolderLock){0};
}
