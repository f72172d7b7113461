/* Room on a disk: what statvfs says is there for this user, and the limit of a file's size. */
#include "base/disk.h"

#include "base/memory.h"
#include "base/path.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>

static int64_t product_or_max(uint64_t a, uint64_t b)
{
    return b && a > INT64_MAX / b ? INT64_MAX : (int64_t)(a * b);
}

/* Of the nearest folder on the way to the root that is there. False: it is not known. */
static bool disk_of(const char *folder, struct statvfs *disk)
{
    Error e = {0};
    char *path = memory_copy(folder, &e);
    while (path && statvfs(path, disk) && strcmp(path, "/") && strcmp(path, ".")) {
        char *parent = path_folder(path, &e);
        free(path);
        path = parent;
    }
    const bool known = path && !statvfs(path, disk);
    free(path);
    return known;
}

DiskRoom disk_room(const char *folder)
{
    DiskRoom room = {INT64_MAX, INT64_MAX};
    struct rlimit limit;
    struct statvfs disk;
    if (disk_of(folder, &disk))
        room.bytes = product_or_max(disk.f_bavail, disk.f_frsize);
    if (!getrlimit(RLIMIT_FSIZE, &limit) && limit.rlim_cur != RLIM_INFINITY)
        room.largest = limit.rlim_cur > INT64_MAX ? INT64_MAX : (int64_t)limit.rlim_cur;
    return room;
}

bool disk_is_same(const char *folder, const char *other)
{
    struct statvfs a;
    struct statvfs b;
    return disk_of(folder, &a) && disk_of(other, &b) && a.f_fsid == b.f_fsid;
}
