/* Finds a checkpoint's chat template and says whether it is a known one. Invariant: an unknown
 * template is a warning, never an error, because its usual chat text may well be right. */
#include "text/chat_template.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIMIT = 16 << 20 }; /* bytes of a file */

/* The template being judged, and where a warning goes. */
typedef struct {
    const char *model_type;
    const uint64_t *known;
    char *warning;
    size_t size;
} Judge;

uint64_t chat_template_hash(const char *text)
{
    static const char blank[] = " \t\r\n";
    text += strspn(text, blank);
    size_t n = strlen(text);
    while (n && strchr(blank, text[n - 1]))
        n--;
    return hash_bytes(HASH_START, text, n);
}

static void judge(const Judge *j, const char *path, const char *template)
{
    uint64_t hash = chat_template_hash(template);
    for (const uint64_t *known = j->known; *known; known++)
        if (*known == hash)
            return;
    snprintf(j->warning, j->size,
             "%s: the chat template is not one that is known for %s; its usual chat text is used instead",
             path, j->model_type);
}

/* The template in a JSON file: a string, or the one named "default" in a list. NULL: none. */
static const char *template_in(const json_t *root)
{
    const json_t *v = json_object_get(root, "chat_template");
    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *entry = json_array_get(v, i);
        const char *name = json_string_value(json_object_get(entry, "name"));
        if (name && !strcmp(name, "default"))
            return json_string_value(json_object_get(entry, "template"));
    }
    return json_string_value(v);
}

/* True: the file holds a template, which has been judged. */
static bool check_json(const Judge *j, const char *path, Error *e)
{
    Json json;
    json_open(&json, path, LIMIT, e);
    const char *template = template_in(json.root);
    if (template)
        judge(j, path, template);
    json_close(&json);
    return template != NULL;
}

/* The same for a file that is nothing but a template. */
static bool check_text(const Judge *j, const char *path, Error *e)
{
    Text text = {0};
    file_read(&text, path, LIMIT, e);
    if (e->status == OK)
        judge(j, path, text_string(&text));
    text_free(&text);
    return e->status == OK;
}

Status chat_template_check(const char *folder, const char *model_type, const uint64_t *known, char *warning,
                           size_t size, Error *e)
{
    static const struct {
        const char *name;
        bool (*check)(const Judge *j, const char *path, Error *e);
    } files[] = {{"chat_template.json", check_json},
                 {"chat_template.jinja", check_text},
                 {"tokenizer_config.json", check_json}};
    const Judge j = {model_type, known, warning, size};
    bool found = false;
    if (e->status != OK)
        return e->status;
    warning[0] = 0;
    for (size_t i = 0; i < sizeof files / sizeof *files && !found && e->status == OK; i++) {
        char *path = path_join(folder, files[i].name, e);
        if (path && file_exists(path))
            found = files[i].check(&j, path, e);
        free(path);
    }
    return e->status;
}
