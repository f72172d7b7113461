/* Folders: making, listing, removing. */
#ifndef MPA_BASE_FOLDER_H
#define MPA_BASE_FOLDER_H

#include "base/error.h"

/* Makes the folder and those above it; one that is there already is fine. */
Status folder_make(const char *path, Error *e);
/* Removes a folder and the files in it, not folders within it. A missing folder is fine. */
Status folder_remove(const char *path, Error *e);
/* The sorted names in a folder that end with one of the NULL-ended `endings` (case ignored; NULL:
 * all but . and ..). *names and each name are owned by the caller: names_free. After a failure
 * *names is NULL and *count 0. */
Status folder_list(char ***names, int64_t *count, const char *path, const char *const *endings, Error *e);
/* The paths, from `folder` on, of all files below it, sorted by their bytes. Names that begin with a
 * point are left out. A link to a folder is followed where it leads below `root` (BAD_INPUT elsewhere),
 * unless the files there have been listed already; a link to anything else counts as a file. *names is
 * owned as in folder_list. (walk.c) */
Status folder_walk(char ***names, int64_t *count, const char *folder, const char *root, Error *e);

/* Appends a copy of `name` to an array of *count names. */
void names_add(char ***names, int64_t *count, int64_t *capacity, const char *name, Error *e);
void names_sort(char **names, int64_t count); /* by bytes */
void names_free(char **names, int64_t count);

#endif
