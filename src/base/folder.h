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
void names_free(char **names, int64_t count);

#endif
