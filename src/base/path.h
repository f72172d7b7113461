/* Paths as text, and where they lead. */
#ifndef MPA_BASE_PATH_H
#define MPA_BASE_PATH_H

#include "base/error.h"

/* folder/name, or name alone when it is absolute or folder is empty or NULL. Owned by the caller;
 * NULL after a failure. */
char *path_join(const char *folder, const char *name, Error *e);
/* The part before the last '/'; "." where there is none. Owned by the caller; NULL after a failure. */
char *path_folder(const char *path, Error *e);
/* The part behind the last '/'; all of it where there is none. Borrowed. */
const char *path_name(const char *path);

/* The path of a file from the root on, links followed. Owned by the caller; NULL with BAD_INPUT: it is not
 * there. */
char *path_absolute(const char *path, Error *e);
/* `path` as seen from `folder`, links followed in both; "" for the folder itself. Owned by the caller.
 * NULL with BAD_INPUT: one of them is not there, or `path` does not lie below `folder`. */
char *path_below(const char *folder, const char *path, Error *e);
/* OK when `path`, links followed, is a regular file below `folder`; else BAD_INPUT, and *missing
 * says whether there is no such file at all. */
Status path_check_below(const char *folder, const char *path, bool *missing, Error *e);

#endif
