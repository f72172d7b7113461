/* Files. What is written either replaces the old file whole or not at all: the bytes go into
 * PATH.tmp, which is synced and renamed, and then the folder is synced, so that the new name
 * survives a loss of power too. Only a regular file is replaced: a link stays and what it leads to is
 * replaced, a device or a FIFO is written to. */
#define _XOPEN_SOURCE 700 /* realpath */
#define _DEFAULT_SOURCE   /* madvise */

#include "base/file.h"

#include "base/hash.h"
#include "base/map_guard.h"
#include "base/memory.h"
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Opens a regular file for reading; its size in *size. The descriptor, or -1 with e set. */
static int open_regular(const char *path, size_t *size, Error *e)
{
    *size = 0;
    if (e->status != OK)
        return -1;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    struct stat s;
    if (fd < 0)
        file_refused(path, NULL, e);
    else if (fstat(fd, &s) || !S_ISREG(s.st_mode))
        error_set(e, BAD_INPUT, "%s: is not a regular file", path);
    else if ((uint64_t)s.st_size > SIZE_MAX / 2)
        error_set(e, BAD_INPUT, "%s: too large for this machine's address space", path);
    else
        *size = (size_t)s.st_size;
    if (e->status != OK && fd >= 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

Status file_map(FileMap *map, const char *path, Error *e)
{
    size_t size;
    *map = (FileMap){0};
    int fd = open_regular(path, &size, e);
    if (size) {
        void *p = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED)
            error_set(e, errno == ENOMEM ? NO_MEMORY : FAILED, "%s: cannot map %zu bytes: %s", path, size,
                      strerror(errno));
        else
            *map = (FileMap){p, size};
    }
    if (map->data && map_guard_add(path, fd, map->data, size, e) != OK) {
        munmap((void *)(uintptr_t)map->data, size);
        *map = (FileMap){0};
    }
    if (fd >= 0)
        close(fd);
    return e->status;
}

void file_unmap(FileMap *map)
{
    if (map->data) {
        map_guard_remove(map->data);
        munmap((void *)(uintptr_t)map->data, map->size);
    }
    *map = (FileMap){0};
}

void file_map_release(const void *data, size_t bytes)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t begin = (uintptr_t)data / page * page;
    if (bytes)
        madvise((void *)begin, (uintptr_t)data + bytes - begin, MADV_DONTNEED);
}

Status file_read(Text *text, const char *path, size_t limit, Error *e)
{
    size_t size, done = 0;
    int fd = open_regular(path, &size, e);
    if (size > limit)
        error_set(e, BAD_INPUT, "%s: %zu bytes are more than the %zu that such a file may have", path, size,
                  limit);
    char buffer[16384];
    while (e->status == OK) {
        ssize_t n = read(fd, buffer, sizeof buffer);
        if (!n)
            break;
        if (n > 0) {
            done += (size_t)n;
            text_add_bytes(text, buffer, (size_t)n, e);
        } else if (errno != EINTR) {
            file_failed(path, "read", e);
        }
        if (done > limit)
            error_set(e, BAD_INPUT, "%s: grew beyond %zu bytes while it was read", path, limit);
    }
    if (fd >= 0)
        close(fd);
    return e->status;
}

/* Reads until the buffer is full or the file ends; how many bytes. */
static size_t read_full(int fd, const char *path, char *buffer, size_t size, Error *e)
{
    size_t done = 0;
    while (e->status == OK && done < size) {
        const ssize_t n = read(fd, buffer + done, size - done);
        if (!n)
            break;
        if (n > 0)
            done += (size_t)n;
        else if (errno != EINTR)
            file_failed(path, "read", e);
    }
    return done;
}

Status file_open(FileReader *r, const char *path, Error *e)
{
    size_t size;
    *r = (FileReader){.descriptor = open_regular(path, &size, e)};
    r->path = memory_copy(path, e);
    return e->status;
}

Status file_get(FileReader *r, void *bytes, size_t count, Error *e)
{
    if (e->status == OK && lseek(r->descriptor, (off_t)r->at, SEEK_SET) < 0)
        file_failed(r->path, "read", e);
    const size_t n = read_full(r->descriptor, r->path, bytes, count, e);
    r->at += (int64_t)n;
    if (e->status == OK && n < count)
        error_set(e, BAD_INPUT, "%s: ends after %lld bytes; more were expected", r->path, (long long)r->at);
    return e->status;
}

void file_close(FileReader *r)
{
    if (r->path && r->descriptor >= 0)
        close(r->descriptor);
    free(r->path);
    *r = (FileReader){0};
}

uint64_t file_hash(const char *path, Error *e)
{
    enum { PIECE = 1 << 20 }; /* a multiple of a word, so that pieces do not show in the hash */
    uint64_t h = HASH_START;
    size_t size;
    const int fd = open_regular(path, &size, e);
    char *buffer = memory_new(PIECE, 1, e);
    size_t n = buffer ? read_full(fd, path, buffer, PIECE, e) : 0;
    while (n) {
        h = hash_words(h, buffer, n);
        n = n == PIECE ? read_full(fd, path, buffer, PIECE, e) : 0;
    }
    free(buffer);
    if (fd >= 0)
        close(fd);
    return e->status == OK ? h : 0;
}

bool file_exists(const char *path)
{
    struct stat s;
    return !stat(path, &s);
}

bool file_is_folder(const char *path)
{
    struct stat s;
    return !stat(path, &s) && S_ISDIR(s.st_mode);
}

int64_t file_size(const char *path)
{
    struct stat s;
    return !stat(path, &s) && S_ISREG(s.st_mode) ? (int64_t)s.st_size : -1;
}

Status file_failed(const char *path, const char *what, Error *e)
{
    int why = errno;
    bool full = why == ENOSPC || why == EDQUOT || why == EFBIG;
    return error_set(e, full || why == ENOMEM ? NO_MEMORY : FAILED, "%s: cannot %s: %s%s", path, what,
                     strerror(why), full ? "; free disk space and run the same command again" : "");
}

Status file_refused(const char *path, const char *what, Error *e)
{
    int why = errno;
    return error_set(e, why == ENOMEM ? NO_MEMORY : BAD_INPUT, "%s: %s%s%s%s", path, what ? "cannot " : "",
                     what ? what : "", what ? ": " : "", strerror(why));
}

static Status write_all(int fd, const char *path, const void *bytes, size_t count, Error *e)
{
    const char *p = bytes;
    while (count && e->status == OK) {
        ssize_t n = write(fd, p, count);
        if (n >= 0) {
            p += n;
            count -= (size_t)n;
        } else if (errno != EINTR) {
            file_failed(path, "write", e);
        }
    }
    return e->status;
}

/* EINVAL: this kind of file cannot be synced, which is no failure. */
static void sync_descriptor(int fd, const char *path, Error *e)
{
    if (e->status == OK && fsync(fd) && errno != EINVAL)
        file_failed(path, "sync", e);
}

static Status sync_path(const char *path, Error *e)
{
    if (e->status != OK)
        return e->status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return file_failed(path, "open", e);
    sync_descriptor(fd, path, e);
    close(fd);
    return e->status;
}

static Status sync_folder_of(const char *path, Error *e)
{
    char *folder = path_folder(path, e);
    sync_path(folder, e);
    free(folder);
    return e->status;
}

/* A new file at `path`, where only a file that a kill left behind may stand; -1 with e set. */
static int create_new(const char *path, Error *e)
{
    struct stat s;
    if (e->status != OK)
        return -1;
    if (!lstat(path, &s) && S_ISREG(s.st_mode) && unlink(path))
        file_failed(path, "remove", e);
    int fd = e->status == OK ? open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666) : -1;
    if (fd < 0)
        file_failed(path, "create", e);
    return fd;
}

/* Opens what is there and is no regular file, to be written to as it is: a device or a FIFO. */
static int open_special(const char *path, const struct stat *s, Error *e)
{
    if (S_ISDIR(s->st_mode)) {
        error_set(e, FAILED, "%s: is a folder; wanted the name of a file", path);
        return -1;
    }
    int fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        file_failed(path, errno == ENXIO ? "write to a FIFO without a reader" : "open", e);
    else
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    return fd;
}

/* Where a link leads, so that the link itself stays; else the path. Owned; NULL after a failure. */
static char *file_behind(const char *path, Error *e)
{
    struct stat s;
    if (e->status != OK)
        return NULL;
    if (lstat(path, &s) || !S_ISLNK(s.st_mode))
        return memory_copy(path, e);
    char *real = realpath(path, NULL);
    if (!real)
        file_failed(path, "follow the link", e);
    return real;
}

Status file_begin(FileWriter *w, const char *path, Error *e)
{
    Text name = {0};
    struct stat s;
    *w = (FileWriter){file_behind(path, e), NULL, -1, {.hash = HASH_START}};
    if (e->status == OK && !stat(w->path, &s) && !S_ISREG(s.st_mode)) {
        w->descriptor = open_special(w->path, &s, e);
        return e->status;
    }
    text_format(&name, e, "%s.tmp", w->path);
    w->temporary = name.data;
    w->descriptor = create_new(w->temporary, e);
    return e->status;
}

Status file_put(FileWriter *w, const void *bytes, size_t count, Error *e)
{
    if (e->status == OK)
        hash_stream_add(&w->hash, bytes, count);
    return write_all(w->descriptor, w->temporary ? w->temporary : w->path, bytes, count, e);
}

Status file_commit(FileWriter *w, Error *e)
{
    const bool replaces = w->temporary != NULL;
    sync_descriptor(w->descriptor, w->path, e);
    if (w->descriptor >= 0 && close(w->descriptor))
        file_failed(w->path, "close", e);
    if (e->status == OK && replaces && rename(w->temporary, w->path))
        file_failed(w->path, "rename", e);
    if (e->status != OK && replaces && w->descriptor >= 0)
        unlink(w->temporary);
    if (replaces)
        sync_folder_of(w->path, e);
    free(w->path);
    free(w->temporary);
    *w = (FileWriter){.descriptor = -1};
    return e->status;
}

Status file_replace(const char *path, const void *bytes, size_t count, Error *e)
{
    FileWriter w;
    file_begin(&w, path, e);
    file_put(&w, bytes, count, e);
    return file_commit(&w, e);
}

Status file_append(const char *path, const void *bytes, size_t count, Error *e)
{
    if (e->status != OK)
        return e->status;
    struct stat s;
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK | O_CLOEXEC, 0666);
    if (fd < 0)
        return file_failed(path, "create", e);
    if (fstat(fd, &s) || !S_ISREG(s.st_mode))
        error_set(e, FAILED, "%s: is not a regular file", path);
    write_all(fd, path, bytes, count, e);
    sync_descriptor(fd, path, e);
    if (close(fd))
        file_failed(path, "close", e);
    return e->status;
}

Status file_truncate(const char *path, int64_t size, Error *e)
{
    if (e->status != OK)
        return e->status;
    int64_t now = file_size(path);
    if (now < 0)
        return error_set(e, FAILED, "%s: is not there, or no regular file; %lld bytes of it were recorded",
                         path, (long long)size);
    if (now < size)
        return error_set(e, FAILED, "%s: has %lld bytes, fewer than the %lld that were recorded", path,
                         (long long)now, (long long)size);
    if (truncate(path, (off_t)size))
        return file_failed(path, "cut", e);
    return sync_path(path, e);
}

Status file_rename(const char *from, const char *to, Error *e)
{
    if (e->status == OK && rename(from, to))
        file_failed(to, "rename", e);
    return sync_folder_of(to, e);
}

Status file_remove(const char *path, Error *e)
{
    if (e->status == OK && unlink(path) && errno != ENOENT)
        file_failed(path, "remove", e);
    return e->status;
}
