/* The configuration: an INI file, overridden on the command line. One table (config_keys.c)
 * holds every key with its type, range, default and meaning. */
#ifndef MPA_CONFIG_CONFIG_H
#define MPA_CONFIG_CONFIG_H

#include "base/log.h"
#include "base/text.h"

/* KEY_LINES: text that may be given several times; the values are separated by line ends. */
typedef enum {
    KEY_TEXT,
    KEY_LINES,
    KEY_PATH,
    KEY_INTEGER,
    KEY_BYTES,
    KEY_REAL,
    KEY_BOOL,
    KEY_CHOICE,
    KEY_WORDS,
    KEY_SHARD
} KeyType;

typedef struct {
    const char *section, *key;
    KeyType type;
    const char *fallback; /* default as it would be written; "" : none */
    double low, high;     /* of numbers */
    const char *choices;  /* of KEY_CHOICE and KEY_WORDS, separated by spaces */
    const char *meaning;
} Key;

extern const Key config_keys[]; /* ended by a NULL section */

typedef struct {
    char *value;        /* owned; paths are resolved; NULL: the default */
    const char *origin; /* "default", "recipe", "file" or "command line"; borrowed */
    int line;           /* in the file; 0: set elsewhere */
} Setting;

/* Owned: config_free. */
typedef struct {
    char *path;       /* of the file */
    Setting *setting; /* [number of keys] */
} Config;

/* Reads the file, then the overrides ("section.key=value"). BAD_USAGE names file, line, key and
 * what is allowed. */
Status config_load(Config *c, const char *path, char *const *overrides, int count, Error *e);
void config_free(Config *c);

/* The value of "section.key"; the key must exist. Text is borrowed, "" when there is none. */
const char *config_text(const Config *c, const char *name);
int64_t config_integer(const Config *c, const char *name);
double config_real(const Config *c, const char *name);
bool config_bool(const Config *c, const char *name);
bool config_is(const Config *c, const char *name, const char *choice);
bool config_given(const Config *c, const char *name); /* set by the file, the command line or a recipe */
/* The key must have a value: else BAD_USAGE names it. */
Status config_require(const Config *c, const char *name, Error *e);

/* Every key with value, origin, default and meaning, as an INI file. */
Status config_dump(const Config *c, Text *out, Error *e);

#endif
