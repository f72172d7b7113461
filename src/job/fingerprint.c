/* Hashes are of whole files (base/hash.h). Weights of gigabytes take seconds, once, and are then in
 * the machine's file cache, where the model that is opened next finds them. */
#include "job/fingerprint.h"

#include "base/file.h"
#include "base/folder.h"
#include "base/hash.h"
#include "base/path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

json_t *fingerprint_text(uint64_t hash)
{
    char digits[20];
    snprintf(digits, sizeof digits, "%016llx", (unsigned long long)hash);
    return json_string(digits);
}

uint64_t fingerprint_file(const Job *j, const char *path, Error *e)
{
    const char *known = json_string_value(json_object_get(j->hashes, path));
    if (known)
        return strtoull(known, NULL, 16);
    const uint64_t hash = file_hash(path, e);
    if (j->hashes)
        json_put(j->hashes, path, fingerprint_text(hash), e);
    return hash;
}

json_t *fingerprint_model(const Job *j, const char *folder, Error *e)
{
    static const char *const endings[] = {".json",  ".safetensors", ".model", ".tiktoken",
                                          ".jinja", ".txt",         NULL};
    if (!file_is_folder(folder))
        return json_null();
    char **names;
    int64_t count;
    json_t *files = json_object();
    folder_list(&names, &count, folder, endings, e);
    for (int64_t i = 0; i < count && e->status == OK; i++) {
        char *path = path_join(folder, names[i], e);
        if (path && file_size(path) >= 0)
            json_put(files, names[i], fingerprint_text(fingerprint_file(j, path, e)), e);
        free(path);
    }
    names_free(names, count);
    return files;
}

Status fingerprint_sight(const Job *j, json_t *context, Error *e)
{
    static const char section[] = "image.";
    for (int i = 0; config_key(&j->config, i, NULL); i++) {
        const char *value;
        const char *key = config_key(&j->config, i, &value);
        if (!strncmp(key, section, strlen(section)))
            json_put(context, key, json_string(value), e);
    }
    return e->status;
}

uint64_t fingerprint_json(const json_t *value, Error *e)
{
    Text text = {0};
    json_print(&text, value, JSON_COMPACT | JSON_ENCODE_ANY, e);
    const uint64_t hash = hash_bytes(HASH_START, text_string(&text), text.count);
    text_free(&text);
    return hash;
}
