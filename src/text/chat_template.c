#include "text/chat_template.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIMIT = 16 << 20 };

/* FNV-1a of the text without white space around it. */
typedef struct {
    const char *family;
    uint64_t hash;
} Known;

static const Known known[] = {
    {"qwen2_vl", UINT64_C(0x71242F76359E71E8)}, /* Qwen2-VL-2B-Instruct and -7B-Instruct */
    {"idefics3", UINT64_C(0x92CF2B51E627E013)}, /* SmolVLM-256M, -500M and -Instruct */
    {"smolvlm", UINT64_C(0x92CF2B51E627E013)},  /* the same */
    {"smolvlm", UINT64_C(0x357A154938DB1B0B)},  /* SmolVLM2, where a video may stand for a picture */
};

static uint64_t hash_trimmed(const char *text)
{
    static const char blank[] = " \t\r\n";
    text += strspn(text, blank);
    size_t n = strlen(text);
    while (n && strchr(blank, text[n - 1]))
        n--;
    return hash_bytes(HASH_START, text, n);
}

static void judge(const char *template, const char *family, const char *path, char *warning, size_t size)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(known[i].family, family) && known[i].hash == hash_trimmed(template))
            return;
    snprintf(warning, size,
             "%s: the chat template is not one that is known for %s; its usual chat text is used instead",
             path, family);
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

/* *found: the file held a template. */
static Status check_json(const char *path, const char *family, char *warning, size_t size, bool *found,
                         Error *e)
{
    Json j;
    Status status = json_open(&j, path, LIMIT, e);
    if (status != OK)
        return status;
    const char *template = template_in(j.root);
    *found = template != NULL;
    if (template)
        judge(template, family, path, warning, size);
    json_close(&j);
    return OK;
}

static Status check_text(const char *path, const char *family, char *warning, size_t size, bool *found,
                         Error *e)
{
    Text text = {0};
    Status status = file_read(&text, path, LIMIT, e);
    *found = status == OK;
    if (status == OK)
        judge(text_string(&text), family, path, warning, size);
    text_free(&text);
    return status;
}

Status chat_template_check(const char *folder, const char *family, char *warning, size_t size, Error *e)
{
    static const char *const names[] = {"chat_template.json", "chat_template.jinja", "tokenizer_config.json"};
    bool found = false;
    Status status = OK;
    warning[0] = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names && status == OK && !found; i++) {
        char *path = path_join(folder, names[i], e);
        if (!path)
            return NO_MEMORY;
        if (file_exists(path))
            status = (strstr(names[i], ".jinja") ? check_text : check_json)(path, family, warning, size,
                                                                            &found, e);
        free(path);
    }
    return status;
}
