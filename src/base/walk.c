/* All files below a folder. Invariants: no folder is listed twice (folders are known by device and
 * number), so a link that leads upwards ends nothing; and a file is found by the way without links where
 * there is one, because links to folders are followed last. */
#include "base/folder.h"

#include "base/memory.h"
#include "base/path.h"

#include <stdlib.h>
#include <sys/stat.h>

/* Names that are added at the end and, folders still to be listed, taken from `next` on. */
typedef struct {
    char **name;
    int64_t count, capacity, next;
} Names;

typedef struct {
    dev_t device;
    ino_t number;
} FolderId;

typedef struct {
    const char *folder, *root;
    Names files, folders, links;
    FolderId *seen;
    int64_t seen_count, seen_capacity;
} Walk;

static void add(Names *n, const char *name, Error *e)
{
    names_add(&n->name, &n->count, &n->capacity, name, e);
}

/* Whether the folder has not been listed before. */
static bool is_new(Walk *w, const struct stat *s, Error *e)
{
    for (int64_t i = 0; i < w->seen_count; i++)
        if (w->seen[i].device == s->st_dev && w->seen[i].number == s->st_ino)
            return false;
    w->seen = memory_reserve(w->seen, w->seen_count, &w->seen_capacity, sizeof *w->seen, e);
    if (e->status != OK)
        return false;
    w->seen[w->seen_count] = (FolderId){s->st_dev, s->st_ino};
    w->seen_count++;
    return true;
}

/* Puts a name, as seen from the folder of the walk, where it belongs. */
static void sort_in(Walk *w, const char *name, Error *e)
{
    struct stat own;
    struct stat target;
    char *path = path_join(w->folder, name, e);
    const bool there = path && !lstat(path, &own);
    const bool link = there && S_ISLNK(own.st_mode);
    if (there && S_ISDIR(own.st_mode))
        add(&w->folders, name, e);
    else if (link && !stat(path, &target) && S_ISDIR(target.st_mode))
        add(&w->links, name, e);
    else if (there)
        add(&w->files, name, e);
    free(path);
}

static void list(Walk *w, const char *name, Error *e)
{
    struct stat s;
    char **names = NULL;
    int64_t count = 0;
    char *path = *name ? path_join(w->folder, name, e) : memory_copy(w->folder, e);
    if (path && (stat(path, &s) || is_new(w, &s, e)))
        folder_list(&names, &count, path, NULL, e);
    for (int64_t i = 0; i < count && e->status == OK; i++) {
        char *inside = names[i][0] != '.' ? path_join(name, names[i], e) : NULL;
        if (inside)
            sort_in(w, inside, e);
        free(inside);
    }
    names_free(names, count);
    free(path);
}

/* A link to a folder becomes a folder to be listed, if it leads below the root. */
static void follow(Walk *w, const char *name, Error *e)
{
    char *path = path_join(w->folder, name, e);
    free(path_below(w->root, path, e));
    add(&w->folders, name, e);
    free(path);
}

Status folder_walk(char ***names, int64_t *count, const char *folder, const char *root, Error *e)
{
    Walk w = {.folder = folder, .root = root};
    add(&w.folders, "", e);
    while (e->status == OK && (w.folders.next < w.folders.count || w.links.next < w.links.count)) {
        if (w.folders.next < w.folders.count)
            list(&w, w.folders.name[w.folders.next++], e);
        else
            follow(&w, w.links.name[w.links.next++], e);
    }
    names_sort(w.files.name, w.files.count);
    names_free(w.folders.name, w.folders.count);
    names_free(w.links.name, w.links.count);
    free(w.seen);
    if (e->status != OK) {
        names_free(w.files.name, w.files.count);
        w.files = (Names){0};
    }
    *names = w.files.name;
    *count = w.files.count;
    return e->status;
}
