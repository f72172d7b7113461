/* Folders. A listing is sorted by bytes, so that nothing depends on the order of the file system. */
#include "base/folder.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/word.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

Status folder_make(const char *path, Error *e)
{
    char *copy = memory_copy(path, e);
    char *end = copy; /* of the name of a folder on the way; NULL: the last */
    while (end && e->status == OK) {
        end = *end ? strchr(end + 1, '/') : NULL;
        if (end)
            *end = 0;
        if (mkdir(copy, 0777) && errno != EEXIST)
            file_failed(copy, "create the folder", e);
        if (end)
            *end = '/';
    }
    free(copy);
    if (e->status == OK && !file_is_folder(path))
        error_set(e, FAILED, "%s: is not a folder", path);
    return e->status;
}

Status folder_remove(const char *path, Error *e)
{
    if (e->status != OK || !file_exists(path))
        return e->status;
    char **names;
    int64_t count;
    folder_list(&names, &count, path, NULL, e);
    for (int64_t i = 0; i < count; i++) {
        char *p = path_join(path, names[i], e);
        if (p && unlink(p))
            file_failed(p, "remove", e);
        free(p);
    }
    names_free(names, count);
    if (e->status == OK && rmdir(path))
        file_failed(path, "remove", e);
    return e->status;
}

static bool is_wanted(const char *name, const char *const *endings)
{
    if (!endings)
        return strcmp(name, ".") && strcmp(name, "..");
    for (; *endings; endings++)
        if (ends_with_any_case(name, *endings))
            return true;
    return false;
}

void names_add(char ***names, int64_t *count, int64_t *capacity, const char *name, Error *e)
{
    *names = memory_reserve(*names, *count, capacity, sizeof **names, e);
    char *copy = memory_copy(name, e);
    if (copy) {
        (*names)[*count] = copy;
        ++*count;
    }
}

static int name_order(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void names_sort(char **names, int64_t count)
{
    if (count)
        qsort(names, (size_t)count, sizeof *names, name_order);
}

Status folder_list(char ***names, int64_t *count, const char *path, const char *const *endings, Error *e)
{
    int64_t capacity = 0;
    *names = NULL;
    *count = 0;
    if (e->status != OK)
        return e->status;
    DIR *d = opendir(path);
    if (!d)
        return file_refused(path, "list the folder", e);
    for (struct dirent *entry = readdir(d); entry && e->status == OK; entry = readdir(d))
        if (is_wanted(entry->d_name, endings))
            names_add(names, count, &capacity, entry->d_name, e);
    closedir(d);
    names_sort(*names, *count);
    if (e->status != OK) {
        names_free(*names, *count);
        *names = NULL;
        *count = 0;
    }
    return e->status;
}

void names_free(char **names, int64_t count)
{
    for (int64_t i = 0; names && i < count; i++)
        free(names[i]);
    free(names);
}
