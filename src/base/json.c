/* Reading JSON files through jansson. Every message names the file, the field, what was wanted and
 * what was found. A file is read with the strictest rules that real checkpoints pass; the one
 * exception is a file with an integer beyond 64 bits, whose integers are then all read as reals. */
#include "base/json.h"

#include "base/file.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *json_kind(const json_t *value)
{
    if (!value)
        return "nothing";
    switch (json_typeof(value)) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "an array";
    case JSON_STRING: return "a string";
    case JSON_INTEGER: return "an integer";
    case JSON_REAL: return "a number";
    case JSON_TRUE:
    case JSON_FALSE: return "a boolean";
    case JSON_NULL: return "null";
    }
    return "an unknown value";
}

/* About what jansson 2.14 takes for these bytes: a list of empty lists forty times its text; a string is there as
 * it is read, as it was read and as a value. */
static uint64_t tree_bytes(const char *start, size_t count)
{
    enum { OBJECT = 224, LIST = 128, PAIR = 110, ELEMENT = 48, STRING = 48, COPIES = 3 };
    uint64_t bytes = 0;
    bool quoted = false;
    for (size_t i = 0; i < count; i++) {
        const char c = start[i];
        if (quoted) {
            i += c == '\\';
            bytes += COPIES;
        } else {
            bytes += c == '{'   ? OBJECT
                     : c == '[' ? LIST
                     : c == ':' ? PAIR
                     : c == ',' ? ELEMENT
                     : c == '"' ? STRING
                                : 0;
        }
        quoted ^= c == '"';
    }
    return bytes;
}

Status json_check_size(const char *start, size_t count, size_t limit, const char *path, Error *e)
{
    const uint64_t bytes = e->status == OK ? tree_bytes(start, count) : 0;
    if (bytes > limit)
        error_set(e, BAD_INPUT,
                  "%s: its values would take %llu bytes of memory, more than the %zu that they may", path,
                  (unsigned long long)bytes, limit);
    return e->status;
}

/* The value of these bytes, the first of which are in line `line` of the file. Owned reference; NULL with
 * e set. */
static json_t *parse(const char *start, size_t count, const char *path, int line, Error *e)
{
    const size_t flags = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY;
    json_error_t why;
    json_t *root = json_loadb(start, count, flags, &why);
    /* Many a tokenizer_config.json has a length of 1e30, written as an integer. */
    if (!root && json_error_code(&why) == json_error_numeric_overflow)
        root = json_loadb(start, count, flags | JSON_DECODE_INT_AS_REAL, &why);
    if (!root && json_error_code(&why) == json_error_out_of_memory)
        error_set(e, NO_MEMORY, "%s: out of memory while reading JSON", path);
    else if (!root)
        error_set(e, BAD_INPUT, "%s:%d: not valid JSON: %s", path, line - 1 + why.line, why.text);
    return root;
}

/* One value, or one on each line. Owned reference. */
static json_t *parse_lines(const char *start, size_t count, const char *path, Error *e)
{
    const char *end = start + count;
    json_t *list = json_array();
    int line = 1;
    for (const char *p = start; p < end && e->status == OK; line++) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        stop = stop ? stop : end;
        if (stop > p + strspn(p, " \t\r"))
            json_append(list, parse(p, (size_t)(stop - p), path, line, e), e);
        p = stop + 1;
    }
    return list;
}

static Status open_file(Json *j, const char *path, bool lines, size_t limit, Error *e)
{
    Text text = {0};
    *j = (Json){0};
    file_read(&text, path, limit, e);
    const char *start = text_string(&text);
    size_t count = text.count;
    if (count >= 3 && !memcmp(start, "\xEF\xBB\xBF", 3)) { /* a byte order mark */
        start += 3;
        count -= 3;
    }
    if (!lines)
        json_check_size(start, count, limit, path, e);
    if (e->status == OK)
        *j = (Json){memory_copy(path, e),
                    lines ? parse_lines(start, count, path, e) : parse(start, count, path, 1, e)};
    text_free(&text);
    if (e->status != OK)
        json_close(j);
    return e->status;
}

Status json_open(Json *j, const char *path, size_t limit, Error *e)
{
    return open_file(j, path, false, limit, e);
}

Status json_open_lines(Json *j, const char *path, size_t limit, Error *e)
{
    return open_file(j, path, true, limit, e);
}

void json_close(Json *j)
{
    json_decref(j->root);
    free(j->path);
    *j = (Json){0};
}

static Status wrong(const Json *j, const char *where, const char *key, const char *wanted, const json_t *got,
                    Error *e)
{
    return error_set(e, BAD_INPUT, "%s: %s%s%s: wanted %s, found %s", j->path, where, *where ? "." : "", key,
                     wanted, json_kind(got));
}

static json_t *field(const json_t *object, const char *key)
{
    json_t *v = json_object_get(object, key);
    return json_is_null(v) ? NULL : v;
}

/* Integers are recognised by value, for the files whose integers were read as reals: up to 2^53,
 * where a double still holds every integer. */
static bool as_integer(const json_t *v, int64_t *value)
{
    double d = json_number_value(v);
    if (json_is_integer(v)) {
        *value = (int64_t)json_integer_value(v);
        return true;
    }
    if (!json_is_real(v) || !(fabs(d) <= 9007199254740992.0) || floor(d) < d)
        return false;
    *value = (int64_t)d;
    return true;
}

Status json_integer_in(const Json *j, const json_t *object, const char *where, const char *key, int64_t low,
                       int64_t high, int64_t *value, Error *e)
{
    *value = low;
    if (e->status != OK)
        return e->status;
    int64_t found;
    json_t *v = field(object, key);
    if (!v || !as_integer(v, &found))
        return wrong(j, where, key, "an integer", v, e);
    if (found < low || found > high)
        return error_set(e, BAD_INPUT, "%s: %s%s%s: wanted %lld to %lld, found %lld", j->path, where,
                         *where ? "." : "", key, (long long)low, (long long)high, (long long)found);
    *value = found;
    return OK;
}

Status json_integer_or(const Json *j, const json_t *object, const char *where, const char *key, int64_t low,
                       int64_t high, int64_t fallback, int64_t *value, Error *e)
{
    int64_t found = fallback;
    if (field(object, key))
        json_integer_in(j, object, where, key, low, high, &found, e);
    *value = e->status == OK ? found : fallback;
    return e->status;
}

Status json_real_or(const Json *j, const json_t *object, const char *where, const char *key, double low,
                    double high, double fallback, double *value, Error *e)
{
    json_t *v = field(object, key);
    double found = json_number_value(v);
    *value = fallback;
    if (!v || e->status != OK)
        return e->status;
    if (!json_is_number(v))
        return wrong(j, where, key, "a number", v, e);
    if (!(found >= low && found <= high))
        return error_set(e, BAD_INPUT, "%s: %s%s%s: wanted %g to %g, found %g", j->path, where,
                         *where ? "." : "", key, low, high, found);
    *value = found;
    return OK;
}

Status json_bool_or(const Json *j, const json_t *object, const char *where, const char *key, bool fallback,
                    bool *value, Error *e)
{
    json_t *v = field(object, key);
    *value = fallback;
    if (!v || e->status != OK)
        return e->status;
    if (!json_is_boolean(v))
        return wrong(j, where, key, "true or false", v, e);
    *value = json_is_true(v);
    return OK;
}

Status json_string_in(const Json *j, const json_t *object, const char *where, const char *key,
                      const char **value, Error *e)
{
    json_t *v = field(object, key);
    *value = "";
    if (e->status != OK)
        return e->status;
    if (!json_is_string(v))
        return wrong(j, where, key, "a string", v, e);
    *value = json_string_value(v);
    return OK;
}

Status json_string_or(const Json *j, const json_t *object, const char *where, const char *key,
                      const char *fallback, const char **value, Error *e)
{
    const char *found = fallback;
    if (field(object, key))
        json_string_in(j, object, where, key, &found, e);
    *value = e->status == OK ? found : fallback;
    return e->status;
}

/* A field that must be of this kind: an object or an array. */
static Status container_in(const Json *j, const json_t *object, const char *where, const char *key,
                           json_type type, json_t **value, Error *e)
{
    json_t *v = field(object, key);
    *value = NULL;
    if (e->status != OK)
        return e->status;
    if (!v || json_typeof(v) != type)
        return wrong(j, where, key, type == JSON_OBJECT ? "an object" : "an array", v, e);
    *value = v;
    return OK;
}

Status json_object_in(const Json *j, const json_t *object, const char *where, const char *key, json_t **value,
                      Error *e)
{
    return container_in(j, object, where, key, JSON_OBJECT, value, e);
}

Status json_array_in(const Json *j, const json_t *object, const char *where, const char *key, json_t **value,
                     Error *e)
{
    return container_in(j, object, where, key, JSON_ARRAY, value, e);
}

Status json_put(json_t *object, const char *key, json_t *value, Error *e)
{
    if (e->status != OK)
        json_decref(value);
    else if (json_object_set_new(object, key, value))
        error_set(e, NO_MEMORY, "out of memory");
    return e->status;
}

Status json_append(json_t *list, json_t *value, Error *e)
{
    if (e->status != OK)
        json_decref(value);
    else if (json_array_append_new(list, value))
        error_set(e, NO_MEMORY, "out of memory");
    return e->status;
}

/* Where json_print writes to. */
typedef struct {
    Text *text;
    Error *error;
} Printer;

static int print_piece(const char *bytes, size_t count, void *printer)
{
    const Printer *p = printer;
    return text_add_bytes(p->text, bytes, count, p->error) == OK ? 0 : -1;
}

Status json_print(Text *out, const json_t *value, size_t flags, Error *e)
{
    Printer p = {out, e};
    if (e->status == OK && json_dump_callback(value, print_piece, &p, flags))
        error_set(e, NO_MEMORY, "out of memory");
    return e->status;
}
