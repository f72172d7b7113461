/* Files: maps, whole reads, atomic replacement, paths. */
#ifndef MPA_BASE_FILE_H
#define MPA_BASE_FILE_H

#include "base/error.h"
#include "base/text.h"

/* A file mapped read-only. Owned: file_unmap. A zeroed one is empty and may be unmapped. */
typedef struct {
    const unsigned char *data;
    size_t size;
} FileMap;

/* Only regular files are opened (a FIFO or a device would block); BAD_INPUT names the path and
 * the reason. */
Status file_map(FileMap *map, const char *path, Error *e);
void file_unmap(FileMap *map);

/* Appends the whole file to *text. More than `limit` bytes is BAD_INPUT. */
Status file_read(Text *text, const char *path, size_t limit, Error *e);

bool file_exists(const char *path); /* anything of that name */
bool file_is_folder(const char *path);
int64_t file_size(const char *path); /* -1: no regular file */

/* The file `path` with these bytes: written beside it (path.tmp), synced, renamed over it, its
 * folder synced. After a failure or a kill either the old or the new contents are there, whole. */
Status file_replace(const char *path, const void *bytes, size_t count, Error *e);
/* The same in pieces: file_begin, any number of file_put, then file_commit, which is called after
 * a failure too: where e has failed by then, the old file stays and the new one is removed. */
typedef struct {
    char *path, *temporary; /* owned */
    int descriptor;
} FileWriter;
Status file_begin(FileWriter *w, const char *path, Error *e);
Status file_put(FileWriter *w, const void *bytes, size_t count, Error *e);
Status file_commit(FileWriter *w, Error *e);
/* Appends and syncs. A kill may leave a part of the bytes at the end. */
Status file_append(const char *path, const void *bytes, size_t count, Error *e);
/* cuts a file; one that is shorter is an error */
Status file_truncate(const char *path, int64_t size, Error *e);
Status file_rename(const char *from, const char *to, Error *e); /* and syncs the folder */
Status file_sync(const char *path, Error *e);                   /* a file or a folder */
Status folder_make(const char *path, Error *e);                 /* with its parents */
Status file_remove(const char *path, Error *e);                 /* one that is not there is fine */
/* Removes a folder and the files (not folders within folders) in it; a missing one is fine. */
Status folder_remove(const char *path, Error *e);
/* The sorted names in a folder whose last characters are one of the NULL-ended `endings` (case
 * ignored; NULL: all but . and ..). *names and each name are owned by the caller: names_free. */
Status folder_list(char ***names, int64_t *count, const char *path, const char *const *endings, Error *e);
void names_free(char **names, int64_t count);

/* folder/name, or name alone when it is absolute or folder is empty or NULL. Owned by the
 * caller; NULL without memory. */
char *path_join(const char *folder, const char *name, Error *e);
char *path_folder(const char *path, Error *e); /* the part before the last '/', "." without one */

/* Whether `path`, links followed, is a regular file below `folder`: OK; BAD_INPUT otherwise,
 * with *missing set when there simply is no such file. */
Status path_check_below(const char *folder, const char *path, bool *missing, Error *e);

/* Little-endian numbers at any address. */
uint64_t load_u64(const void *p);
void store_u64(void *p, uint64_t value);

#endif
