/* A model folder with one wrong field at a time: vlm_open must refuse it with BAD_INPUT and name
 * the file and the field. */
#include "fixture/model_family.h"
#include "fixture/must.h"

#include "base/file.h"
#include "base/folder.h"
#include "base/memory.h"
#include "model/vlm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const TestFamily *family_of(void **state)
{
    return ((const FamilyGolden *)*state)->family;
}

static void remove_folder(const char *folder)
{
    Error e = {0};
    folder_remove(folder, &e);
    must(&e);
}

static void refused(const char *folder, const char *file, const char *expected)
{
    Vlm vlm;
    Error e = {0};
    Status status = vlm_open(&vlm, folder, &e);
    if (status == OK)
        vlm_close(&vlm);
    if (status != BAD_INPUT || !strstr(e.text, expected))
        fail_msg("%s with a wrong %s: status %d, message \"%s\" (see src/model/)", file, expected,
                 (int)status, e.text);
}

static void test_each_wrong_field_is_named(void **state)
{
    const TestFamily *f = family_of(state);
    for (const WrongField *w = f->wrong_fields; w->file; w++) {
        char folder[MODEL_FOLDER];
        model_folder_make(folder, f->single);
        model_folder_change(folder, f->single, w->file, w->path, w->value);
        refused(folder, w->file, w->expected);
        remove_folder(folder);
    }
}

static void test_unchanged_copy_opens(void **state)
{
    char folder[MODEL_FOLDER];
    Vlm vlm;
    Error e = {0};
    model_folder_make(folder, family_of(state)->single);
    vlm_open(&vlm, folder, &e);
    must(&e);
    vlm_close(&vlm);
    remove_folder(folder);
}

/* A copy in which `file` has these bytes must be refused by the file's name. */
static void refused_with(const char *source, const char *file, const char *bytes, size_t count)
{
    char folder[MODEL_FOLDER];
    model_folder_make(folder, source);
    model_folder_write(folder, file, bytes, count);
    refused(folder, file, file);
    remove_folder(folder);
}

/* Every file cut in the middle, empty, or replaced by a web page. */
static void test_cut_files_are_named(void **state)
{
    const TestFamily *f = family_of(state);
    const char *source = f->single;
    static const char page[] = "<!DOCTYPE html><html><body>Not found</body></html>";
    const char *const files[] = {"config.json", f->tokenizer, "model.safetensors",
                                 f->wide_pictures ? "preprocessor_config.json" : NULL};
    for (size_t i = 0; i < sizeof files / sizeof *files && files[i]; i++) {
        Text text = {0};
        char path[1000];
        Error e = {0};
        snprintf(path, sizeof path, "%s/%s", source, files[i]);
        file_read(&text, path, 1 << 24, &e);
        must(&e);
        const size_t lengths[] = {0, 1, text.count / 2, text.count - 2};
        for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++)
            refused_with(source, files[i], text.data, lengths[k]);
        refused_with(source, files[i], page, strlen(page));
        text_free(&text);
    }
}

static void test_missing_files_are_named(void **state)
{
    const char *const files[] = {"config.json", family_of(state)->tokenizer, "model.safetensors"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char folder[MODEL_FOLDER];
        char path[1000];
        model_folder_make(folder, family_of(state)->single);
        snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        unlink(path);
        refused(folder, files[i], files[i]);
        remove_folder(folder);
    }
}

int main(void)
{
    const FamilyTest tests[] = {
        {"unchanged copy opens", test_unchanged_copy_opens},
        {"each wrong field is named", test_each_wrong_field_is_named},
        {"cut files are named", test_cut_files_are_named},
        {"missing files are named", test_missing_files_are_named},
    };
    return run_family_tests(EACH_FAMILY, tests, sizeof tests / sizeof *tests);
}
