/* Reading JSON files through jansson, with messages that name the file, the field, what was wanted
 * and what was found. */
#ifndef MPA_BASE_JSON_H
#define MPA_BASE_JSON_H

#include "base/text.h"

#include <jansson.h>

/* A parsed file. Owned: json_close. Objects and arrays inside are borrowed. */
typedef struct {
    char *path;   /* owned; for messages */
    json_t *root; /* owned */
} Json;

/* Limits: of the small files of a model folder, of its large ones, and of data sets and run folders. */
enum { JSON_SMALL = 16 << 20, JSON_LARGE = 192 << 20 };
#define JSON_DATA ((size_t)1 << 31)

/* A file of more than `limit` bytes, or whose values would take more memory than that, is BAD_INPUT;
 * so are duplicate keys, NaN and bytes after the value. Where an integer is beyond 64 bits
 * (tokenizer_config.json), all integers of the file are read as reals. After a failure *j is empty and
 * may be closed. */
Status json_open(Json *j, const char *path, size_t limit, Error *e);
/* The same of bytes that are read in another way. */
Status json_check_size(const char *start, size_t count, size_t limit, const char *path, Error *e);
/* A file of one value on each line (JSONL), as an array; empty lines are left out. Only the bytes are limited. */
Status json_open_lines(Json *j, const char *path, size_t limit, Error *e);
void json_close(Json *j);

/* The field `key` of `object`, which is called `where` in messages ("" for the root). Missing or
 * null: *value becomes `fallback`, or an error where the function has none. A wrong type or a
 * number outside low..high: BAD_INPUT. Strings and objects are borrowed. After a failure, *value
 * is the fallback, else `low`, "" or NULL, so that what follows may read it. */
Status json_integer_in(const Json *j, const json_t *object, const char *where, const char *key, int64_t low,
                       int64_t high, int64_t *value, Error *e);
Status json_integer_or(const Json *j, const json_t *object, const char *where, const char *key, int64_t low,
                       int64_t high, int64_t fallback, int64_t *value, Error *e);
Status json_real_or(const Json *j, const json_t *object, const char *where, const char *key, double low,
                    double high, double fallback, double *value, Error *e);
Status json_bool_or(const Json *j, const json_t *object, const char *where, const char *key, bool fallback,
                    bool *value, Error *e);
Status json_string_in(const Json *j, const json_t *object, const char *where, const char *key,
                      const char **value, Error *e);
Status json_string_or(const Json *j, const json_t *object, const char *where, const char *key,
                      const char *fallback, const char **value, Error *e);
Status json_object_in(const Json *j, const json_t *object, const char *where, const char *key, json_t **value,
                      Error *e);
Status json_array_in(const Json *j, const json_t *object, const char *where, const char *key, json_t **value,
                     Error *e);

/* Put a value into an object or at the end of a list, and take its reference over, after a
 * failure too. NO_MEMORY when that fails or value is NULL. */
Status json_put(json_t *object, const char *key, json_t *value, Error *e);
Status json_append(json_t *list, json_t *value, Error *e);

/* Appends a value's text, with jansson's flags. NO_MEMORY also when value is NULL. */
Status json_print(Text *out, const json_t *value, size_t flags, Error *e);

/* What a value is, for messages: "a string", "null", "nothing" for NULL, ... */
const char *json_kind(const json_t *value);

#endif
