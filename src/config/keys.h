/* The table of keys, shared by the files of this room and by their test. */
#ifndef MPA_CONFIG_KEYS_H
#define MPA_CONFIG_KEYS_H

#include "config/config.h"

/* What a key takes, and the type of its field. */
typedef enum {
    KEY_TEXT,    /* const char * */
    KEY_LINES,   /* const char *; may be given several times: the values are separated by line ends */
    KEY_PATH,    /* const char *, resolved */
    KEY_NAME,    /* const char *, one of the words, or the path of an .ini file, resolved */
    KEY_INTEGER, /* int64_t */
    KEY_BYTES,   /* int64_t, written with K, M or G */
    KEY_REAL,    /* double */
    KEY_BOOL,    /* bool */
    KEY_CHOICE,  /* int, the number of a word; -1: none */
    KEY_WORDS,   /* unsigned, a bit for each word */
    KEY_SHARD,   /* Shard */
    KEY_TYPES
} KeyType;

typedef struct {
    const char *name; /* "section.key" */
    size_t field;     /* its place in Config */
    size_t size;      /* of the field */
    KeyType type;
    const char *fallback; /* the default as a file would have it; "": none */
    double low, high;     /* of numbers */
    const char *words;    /* of names, choices and sets, separated by spaces */
    const char *meaning;
} Key;

extern const Key config_keys[]; /* ended by a NULL name */

/* Where a value comes from. */
typedef struct Setting {
    char *value;        /* owned; paths are resolved; NULL: the default */
    const char *origin; /* "default", "recipe", "auto", "file" or "command line"; borrowed */
    int line;           /* in the file; 0: set elsewhere */
} Setting;

/* A place that gives a value, for messages. Borrowed. */
typedef struct {
    const char *file, *origin;
    int line;           /* 0: no line */
    const char *folder; /* that relative paths start from; "": the working folder */
} Place;

/* The row of a field; the field must have one. */
int config_row(size_t field);
int config_row_of(const Config *c, const void *field); /* of a field of c */
/* Gives the key "section.key" of a file or the command line its value: quotes around it are taken
 * off, a path is resolved. BAD_USAGE names place, key and what is allowed. */
Status config_set(Config *c, const Place *at, const char *section, const char *key, const char *value,
                  Error *e);
/* The same for a row. */
Status config_set_row(Config *c, const Place *at, int row, const char *value, Error *e);
/* Fills in the fields from the settings, and defaults where there is none. */
void config_bind(Config *c);

/* Reads an INI file into the settings (file.c). */
Status config_read_file(Config *c, const char *path, Error *e);
/* Gives the keys of [level] that are not set the values of level.recipe (recipes.c). */
Status config_apply_recipe(Config *c, Error *e);
/* Whether the key of this row is decided by level.recipe = auto. */
bool config_row_is_fitted(const Config *c, int row);

#endif
