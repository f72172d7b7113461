#include "base/lock.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whether the path still names the file that is open: its last owner may have removed it before
 * we got the lock. */
static bool is_same(int descriptor, const char *path)
{
    struct stat ours, named;
    return !fstat(descriptor, &ours) && !stat(path, &named) && ours.st_ino == named.st_ino &&
           ours.st_dev == named.st_dev;
}

Status folder_lock(FolderLock *lock, const char *folder, Error *e)
{
    *lock = (FolderLock){path_join(folder, "lock", e), -1};
    Status status = e->status;
    while (status == OK) {
        struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        lock->descriptor = open(lock->path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (lock->descriptor < 0)
            status = error_set(e, FAILED, "%s: cannot create: %s", lock->path, strerror(errno));
        else if (fcntl(lock->descriptor, F_SETLK, &whole) && (errno == EACCES || errno == EAGAIN))
            status = error_set(
                e, FAILED,
                "%s: another mpa is at work in this run folder; wait for its end, or use another run.dir",
                folder);
        else if (is_same(lock->descriptor, lock->path))
            return OK;
        if (lock->descriptor >= 0)
            close(lock->descriptor);
    }
    free(lock->path);
    *lock = (FolderLock){0};
    return status;
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
