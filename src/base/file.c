/* realpath is in the X/Open part of POSIX. */
#define _XOPEN_SOURCE 700

#include "base/file.h"

#include "base/memory.h"

#include <ctype.h>
#include <dirent.h>
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
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    struct stat s;
    if (fd < 0) {
        error_set(e, BAD_INPUT, "%s: %s", path, strerror(errno));
        return -1;
    }
    if (fstat(fd, &s) || !S_ISREG(s.st_mode)) {
        error_set(e, BAD_INPUT, "%s: is not a regular file", path);
        close(fd);
        return -1;
    }
    if ((uint64_t)s.st_size > SIZE_MAX / 2) {
        error_set(e, BAD_INPUT, "%s: too large for this machine's address space", path);
        close(fd);
        return -1;
    }
    *size = (size_t)s.st_size;
    return fd;
}

Status file_map(FileMap *map, const char *path, Error *e)
{
    *map = (FileMap){0};
    if (e->status != OK)
        return e->status;
    size_t size;
    int fd = open_regular(path, &size, e);
    if (fd < 0)
        return BAD_INPUT;
    if (size) {
        void *p = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED) {
            int why = errno;
            close(fd);
            return error_set(e, why == ENOMEM ? NO_MEMORY : FAILED, "%s: cannot map %zu bytes: %s", path,
                             size, strerror(why));
        }
        *map = (FileMap){p, size};
    }
    close(fd);
    return OK;
}

void file_unmap(FileMap *map)
{
    if (map->data)
        munmap((void *)(uintptr_t)map->data, map->size);
    *map = (FileMap){0};
}

Status file_read(Text *text, const char *path, size_t limit, Error *e)
{
    if (e->status != OK)
        return e->status;
    size_t size;
    int fd = open_regular(path, &size, e);
    if (fd < 0)
        return BAD_INPUT;
    Status status = OK;
    if (size > limit)
        status = error_set(e, BAD_INPUT, "%s: %zu bytes are more than the %zu that such a file may have",
                           path, size, limit);
    char buffer[16384];
    for (size_t done = 0; status == OK;) {
        ssize_t n = read(fd, buffer, sizeof buffer);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            status = error_set(e, FAILED, "%s: cannot read: %s", path, strerror(errno));
        if (n <= 0)
            break;
        done += (size_t)n;
        if (done > limit)
            status = error_set(e, BAD_INPUT, "%s: grew beyond %zu bytes while it was read", path, limit);
        else if (!text_add_bytes(text, buffer, (size_t)n, e))
            status = NO_MEMORY;
    }
    close(fd);
    return status;
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

/* No space is a lack of disk (status 4); everything else is failed work. */
static Status write_failed(const char *path, const char *what, Error *e)
{
    int why = errno;
    bool full = why == ENOSPC || why == EDQUOT || why == EFBIG;
    return error_set(e, full ? NO_MEMORY : FAILED, "%s: cannot %s: %s%s", path, what, strerror(why),
                     full ? "; free disk space and run the same command again" : "");
}

static Status write_all(int fd, const char *path, const void *bytes, size_t count, Error *e)
{
    const char *p = bytes;
    while (count) {
        ssize_t n = write(fd, p, count);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return write_failed(path, "write", e);
        p += n;
        count -= (size_t)n;
    }
    return OK;
}

Status file_sync(const char *path, Error *e)
{
    if (e->status != OK)
        return e->status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return write_failed(path, "open", e);
    Status status = OK;
    if (fsync(fd) && errno != EINVAL)
        status = write_failed(path, "sync", e);
    close(fd);
    return status;
}

/* After a rename, so that it survives a loss of power. */
static Status sync_folder_of(const char *path, Error *e)
{
    if (e->status != OK)
        return e->status;
    char *folder = path_folder(path, e);
    file_sync(folder, e);
    free(folder);
    return e->status;
}

Status file_begin(FileWriter *w, const char *path, Error *e)
{
    Text name = {0};
    text_format(&name, e, "%s.tmp", path);
    *w = (FileWriter){memory_copy(path, e), name.data, -1};
    if (e->status != OK)
        return e->status;
    w->descriptor = open(w->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    return w->descriptor < 0 ? write_failed(w->temporary, "create", e) : OK;
}

Status file_put(FileWriter *w, const void *bytes, size_t count, Error *e)
{
    if (e->status != OK)
        return e->status;
    return write_all(w->descriptor, w->temporary, bytes, count, e);
}

Status file_commit(FileWriter *w, Error *e)
{
    if (e->status == OK && fsync(w->descriptor) && errno != EINVAL)
        write_failed(w->temporary, "sync", e);
    if (w->descriptor >= 0 && close(w->descriptor))
        write_failed(w->temporary, "close", e);
    if (e->status == OK && rename(w->temporary, w->path))
        write_failed(w->path, "rename", e);
    if (e->status != OK && w->descriptor >= 0)
        unlink(w->temporary);
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
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0)
        return write_failed(path, "create", e);
    Status status = write_all(fd, path, bytes, count, e);
    if (status == OK && fsync(fd) && errno != EINVAL)
        status = write_failed(path, "sync", e);
    if (close(fd) && status == OK)
        status = write_failed(path, "close", e);
    return status;
}

Status file_truncate(const char *path, int64_t size, Error *e)
{
    if (e->status != OK)
        return e->status;
    if (file_size(path) < size)
        return error_set(e, FAILED, "%s: has %lld bytes, fewer than the %lld that were recorded", path,
                         (long long)file_size(path), (long long)size);
    if (truncate(path, (off_t)size))
        return write_failed(path, "cut", e);
    return file_sync(path, e);
}

Status file_rename(const char *from, const char *to, Error *e)
{
    if (e->status != OK)
        return e->status;
    if (rename(from, to))
        return write_failed(to, "rename", e);
    return sync_folder_of(to, e);
}

Status folder_make(const char *path, Error *e)
{
    if (e->status != OK)
        return e->status;
    char *copy = memory_copy(path, e);
    if (!copy)
        return NO_MEMORY;
    Status status = OK;
    for (char *p = copy + 1; status == OK; p++)
        if (*p == '/' || !*p) {
            char end = *p;
            *p = 0;
            if (mkdir(copy, 0777) && errno != EEXIST)
                status = write_failed(copy, "create the folder", e);
            *p = end;
            if (!end)
                break;
        }
    free(copy);
    if (status == OK && !file_is_folder(path))
        status = error_set(e, FAILED, "%s: is not a folder", path);
    return status;
}

static bool ends_with(const char *name, const char *ending)
{
    size_t n = strlen(name), m = strlen(ending);
    if (n < m)
        return false;
    for (size_t i = 0; i < m; i++)
        if (tolower((unsigned char)name[n - m + i]) != tolower((unsigned char)ending[i]))
            return false;
    return true;
}

static int name_order(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void names_free(char **names, int64_t count)
{
    for (int64_t i = 0; names && i < count; i++)
        free(names[i]);
    free(names);
}

Status folder_list(char ***names, int64_t *count, const char *path, const char *const *endings, Error *e)
{
    *names = NULL;
    *count = 0;
    if (e->status != OK)
        return e->status;
    DIR *d = opendir(path);
    if (!d)
        return error_set(e, BAD_INPUT, "%s: cannot list the folder: %s", path, strerror(errno));
    int64_t capacity = 0;
    Status status = OK;
    for (struct dirent *entry; status == OK && (entry = readdir(d));) {
        bool wanted = !endings && strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
        for (int i = 0; endings && endings[i]; i++)
            wanted |= ends_with(entry->d_name, endings[i]);
        if (!wanted)
            continue;
        if (*count == capacity) {
            capacity = capacity * 2 + 64;
            char **more = memory_grow(*names, capacity, sizeof **names, e);
            if (!more) {
                status = NO_MEMORY;
                break;
            }
            *names = more;
        }
        char *copy = memory_copy(entry->d_name, e);
        if (copy)
            (*names)[(*count)++] = copy;
        else
            status = NO_MEMORY;
    }
    closedir(d);
    if (status != OK) {
        names_free(*names, *count);
        *names = NULL;
        *count = 0;
    } else if (*count) {
        qsort(*names, (size_t)*count, sizeof **names, name_order);
    }
    return status;
}

Status file_remove(const char *path, Error *e)
{
    if (e->status != OK)
        return e->status;
    return unlink(path) && errno != ENOENT ? write_failed(path, "remove", e) : OK;
}

Status folder_remove(const char *path, Error *e)
{
    if (e->status != OK)
        return e->status;
    if (!file_exists(path))
        return OK;
    char **names;
    int64_t count;
    Status status = folder_list(&names, &count, path, NULL, e);
    for (int64_t i = 0; status == OK && i < count; i++) {
        char *p = path_join(path, names[i], e);
        if (!p)
            status = NO_MEMORY;
        else if (unlink(p))
            status = write_failed(p, "remove", e);
        free(p);
    }
    names_free(names, count);
    if (status == OK && rmdir(path))
        status = write_failed(path, "remove", e);
    return status;
}

char *path_join(const char *folder, const char *name, Error *e)
{
    if (e->status != OK)
        return NULL;
    if (!folder || !*folder || *name == '/')
        return memory_copy(name, e);
    Text t = {0};
    bool slash = folder[strlen(folder) - 1] == '/';
    if (!text_format(&t, e, "%s%s%s", folder, slash ? "" : "/", name))
        return NULL;
    return t.data;
}

char *path_folder(const char *path, Error *e)
{
    if (e->status != OK)
        return NULL;
    const char *slash = strrchr(path, '/');
    if (!slash)
        return memory_copy(".", e);
    return memory_copy_bytes(path, slash == path ? 1 : (size_t)(slash - path), e);
}

Status path_check_below(const char *folder, const char *path, bool *missing, Error *e)
{
    *missing = false;
    if (e->status != OK)
        return e->status;
    char *root = realpath(folder, NULL), *real = realpath(path, NULL);
    *missing = root && !real && (errno == ENOENT || errno == ENOTDIR);
    Status status = OK;
    size_t n = root ? strlen(root) : 0;
    if (!root)
        status = error_set(e, BAD_INPUT, "%s: %s", folder, strerror(errno));
    else if (!real)
        status = error_set(e, BAD_INPUT, "%s: %s", path, strerror(errno));
    else if (strncmp(real, root, n) || (n > 1 && real[n] != '/'))
        status =
            error_set(e, BAD_INPUT, "%s: does not lie below %s; set image_root to a folder that holds it",
                      path, folder);
    else if (file_size(real) < 0)
        status = error_set(e, BAD_INPUT, "%s: is not a regular file", path);
    free(root);
    free(real);
    return status;
}

uint64_t load_u64(const void *p)
{
    const unsigned char *b = p;
    uint64_t v = 0;
    for (int i = 7; i >= 0; i--)
        v = v << 8 | b[i];
    return v;
}

void store_u64(void *p, uint64_t value)
{
    unsigned char *b = p;
    for (int i = 0; i < 8; i++)
        b[i] = (unsigned char)(value >> 8 * i);
}
