#include "model_folder.h"

#include "base/file.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

void model_folder_make(char *folder, const char *source)
{
    char **names, *here = getcwd(NULL, 0);
    int64_t count;
    Error e = {0};
    strcpy(folder, "/tmp/mpa-bad-XXXXXX");
    assert_non_null(mkdtemp(folder));
    assert_int_equal(folder_list(&names, &count, source, NULL, &e), OK);
    for (int64_t i = 0; i < count; i++) {
        char from[1000], to[1000];
        snprintf(from, sizeof from, "%s/%s/%s", here, source, names[i]);
        snprintf(to, sizeof to, "%s/%s", folder, names[i]);
        assert_int_equal(symlink(from, to), 0);
    }
    names_free(names, count);
    free(here);
}

void model_folder_write(const char *folder, const char *file, const char *text, size_t count)
{
    char path[1000];
    Error e = {0};
    snprintf(path, sizeof path, "%s/%s", folder, file);
    unlink(path);
    assert_int_equal(file_replace(path, text, count, &e), OK);
}

void model_folder_change(const char *folder, const char *source, const char *file, const char *path, const char *value)
{
    char from[1000], first[100];
    snprintf(from, sizeof from, "%s/%s", source, file);
    json_error_t why;
    json_t *root = file_exists(from) ? json_load_file(from, 0, &why) : json_object(), *object = root;
    assert_non_null(root);
    const char *dot = strchr(path, '.'), *key = dot ? dot + 1 : path;
    if (dot) {
        snprintf(first, sizeof first, "%.*s", (int)(dot - path), path);
        object = json_object_get(root, first);
        assert_non_null(object);
    }
    if (value)
        assert_int_equal(json_object_set_new(object, key, json_loads(value, JSON_DECODE_ANY, &why)), 0);
    else
        json_object_del(object, key);
    char *text = json_dumps(root, JSON_INDENT(1));
    model_folder_write(folder, file, text, strlen(text));
    free(text);
    json_decref(root);
}
