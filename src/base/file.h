/* Files: maps, whole reads, atomic replacement, appending. */
#ifndef MPA_BASE_FILE_H
#define MPA_BASE_FILE_H

#include "base/error.h"
#include "base/hash.h"
#include "base/text.h"

/* A file mapped read-only. Owned: file_unmap. A zeroed one is empty and may be unmapped. */
typedef struct {
    const unsigned char *data;
    size_t size;
} FileMap;

/* Only regular files are opened (a FIFO or a device would block). BAD_INPUT names the path and the
 * reason. Files that are cut while they are mapped: map_guard.h. Not from parallel loops. */
Status file_map(FileMap *map, const char *path, Error *e);
void file_unmap(FileMap *map);
/* Gives the memory of these bytes of a map back, and of the rest of their pages. They stay mapped: who reads
 * them again has them from the file. */
void file_map_release(const void *data, size_t bytes);

/* Appends the whole file to *text. More than `limit` bytes is BAD_INPUT. */
Status file_read(Text *text, const char *path, size_t limit, Error *e);

/* A file that is read piece by piece, from `at` on, which may be set. Owned: file_close. A zeroed one may be
 * closed. */
typedef struct {
    char *path;
    int descriptor;
    int64_t at;
} FileReader;
Status file_open(FileReader *r, const char *path, Error *e);
/* The next `count` bytes. BAD_INPUT: the file has fewer. */
Status file_get(FileReader *r, void *bytes, size_t count, Error *e);
void file_close(FileReader *r);

/* hash_words of the whole file, read piece by piece; 0 after a failure. */
uint64_t file_hash(const char *path, Error *e);

bool file_exists(const char *path); /* anything of that name */
bool file_is_folder(const char *path);
int64_t file_size(const char *path); /* in bytes; -1: no regular file */

/* The file `path` with these bytes: written beside it (path.tmp), synced, renamed over it, its
 * folder synced. After a failure or a kill either the old or the new contents are there, whole. A link
 * stays, what it leads to is replaced; a device or a FIFO is written to; a folder is FAILED. */
Status file_replace(const char *path, const void *bytes, size_t count, Error *e);
/* The same in pieces: file_begin, any number of file_put, then file_commit, which is called after a
 * failure too: the old file then stays and the new one is removed. */
typedef struct {
    char *path, *temporary; /* owned; temporary NULL: the path is written to as it is */
    int descriptor;         /* of what is written; -1: none */
    HashStream hash;        /* of the bytes so far */
} FileWriter;
Status file_begin(FileWriter *w, const char *path, Error *e);
Status file_put(FileWriter *w, const void *bytes, size_t count, Error *e);
Status file_commit(FileWriter *w, Error *e);

/* Appends and syncs. A kill may leave a part of the bytes at the end. */
Status file_append(const char *path, const void *bytes, size_t count, Error *e);
/* Cuts a file to `size` bytes; FAILED when it is shorter. */
Status file_truncate(const char *path, int64_t size, Error *e);
Status file_rename(const char *from, const char *to, Error *e); /* and syncs the folder */
Status file_remove(const char *path, Error *e);                 /* a missing file is fine */

/* "PATH: cannot WHAT: REASON", from errno: NO_MEMORY when the disk is full, else FAILED. */
Status file_failed(const char *path, const char *what, Error *e);
/* "PATH: [cannot WHAT: ]REASON" about a file that someone gave us (what may be NULL): NO_MEMORY where errno says
 * so, else BAD_INPUT. */
Status file_refused(const char *path, const char *what, Error *e);

#endif
