/* INI files: sections with lines "key = value". */
#ifndef MPA_CONFIG_INI_H
#define MPA_CONFIG_INI_H

#include "base/error.h"

/* One line. Borrowed. */
typedef struct {
    const char *file;
    int line;
    const char *section, *key, *value;
} IniPair;

/* Hands every line with a key to `take`, in their order, until one fails. BAD_USAGE names file and line:
 * what cannot be read, or would be misread in silence. */
typedef Status IniTaker(void *user, const IniPair *pair, Error *e);
Status ini_read(const char *path, IniTaker *take, void *user, Error *e);
/* The value without the double quotes around it, if it has any. Owned; NULL after a failure. */
char *ini_unquoted(const char *value, Error *e);
/* Whether the n bytes of a value that is in no quotes would be read as another one. What has a semicolon after white space can be read in no
 * way; in quotes it is refused. */
bool ini_needs_quotes(const char *value, size_t n);

#endif
