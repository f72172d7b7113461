/* Giving one key its value: which keys there are, which values fit, what to say about one that
 * does not. Used by config.c and config_file.c. */
#ifndef MPA_CONFIG_SET_H
#define MPA_CONFIG_SET_H

#include "config/config.h"

/* Where a value comes from, for messages: file and line, or the command line (line 0). Borrowed. */
typedef struct {
    const char *file, *origin;
    int line;
    const char *folder; /* that relative paths start from; "" : the working folder */
} Place;

int config_key(const char *section, const char *key); /* index in config_keys; -1: unknown */
/* Quotes around the value are taken off, paths resolved. BAD_USAGE names place, key and what is
 * allowed. */
Status config_set(Config *c, const Place *at, const char *section, const char *key, const char *value,
                  Error *e);
/* "4096", "24G": bytes. False for anything else. */
bool parse_bytes(const char *text, double *value);

/* Reads an INI file into c (config_file.c). */
Status config_read_file(Config *c, const char *path, Error *e);

#endif
