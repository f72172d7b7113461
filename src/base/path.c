/* Paths as text, and where they lead. A picture's path comes from a data set that someone else
 * wrote: path_check_below keeps it inside the folder that the user named. */
#define _XOPEN_SOURCE 700 /* realpath */

#include "base/path.h"

#include "base/file.h"
#include "base/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

char *path_join(const char *folder, const char *name, Error *e)
{
    if (e->status != OK)
        return NULL;
    if (!folder || !*folder || *name == '/')
        return memory_copy(name, e);
    Text t = {0};
    bool slash = folder[strlen(folder) - 1] == '/';
    text_format(&t, e, "%s%s%s", folder, slash ? "" : "/", name);
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

const char *path_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Whether `real` is `root` or lies below it, both without links: "/a/b" is below "/a" and "/", "/ab" is
 * not below "/a". */
static bool is_below(const char *root, const char *real)
{
    size_t n = strlen(root);
    return !strncmp(real, root, n) && (n == 1 || real[n] == '/' || !real[n]);
}

static Status not_below(const char *folder, const char *path, Error *e)
{
    return error_set(e, BAD_INPUT, "%s: does not lie below %s; set image_root to a folder that holds it",
                     path, folder);
}

char *path_absolute(const char *path, Error *e)
{
    char *real = e->status == OK ? realpath(path, NULL) : NULL;
    if (!real && e->status == OK)
        file_refused(path, NULL, e);
    return real;
}

char *path_below(const char *folder, const char *path, Error *e)
{
    if (e->status != OK)
        return NULL;
    char *out = NULL;
    char *root = realpath(folder, NULL);
    char *real = root ? realpath(path, NULL) : NULL;
    if (!real)
        file_refused(root ? path : folder, NULL, e);
    else if (!is_below(root, real))
        not_below(folder, path, e);
    else
        out = memory_copy(real + strlen(root) + (root[1] && real[strlen(root)]), e);
    free(root);
    free(real);
    return out;
}

Status path_check_below(const char *folder, const char *path, bool *missing, Error *e)
{
    *missing = false;
    if (e->status != OK)
        return e->status;
    char *root = realpath(folder, NULL);
    if (!root)
        return file_refused(folder, NULL, e);
    char *real = realpath(path, NULL);
    if (!real) {
        *missing = errno == ENOENT || errno == ENOTDIR;
        file_refused(path, NULL, e);
    } else if (!is_below(root, real)) {
        not_below(folder, path, e);
    } else if (file_size(real) < 0) {
        error_set(e, BAD_INPUT, "%s: is not a regular file", path);
    }
    free(root);
    free(real);
    return e->status;
}
