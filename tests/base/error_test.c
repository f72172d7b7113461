/* The rule for errors: the first one stays, and whoever is handed a failed Error does nothing.
 * src/base/error.c, and every function of src/base that takes an Error. */
#include "fixture/scratch.h"

#include "base/file.h"
#include "base/folder.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/path.h"
#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_first_stays(void **state)
{
    (void)state;
    Error e = {0};
    assert_int_equal(error_prefix(&e, "nothing"), OK);
    assert_string_equal(e.text, "");
    assert_int_equal(error_set(&e, BAD_INPUT, "line %d:\x1b[31m\n\x7f", 7), BAD_INPUT);
    assert_string_equal(e.text, "line 7:?[31m??");
    assert_int_equal(error_set(&e, NO_MEMORY, "later"), BAD_INPUT);
    assert_string_equal(e.text, "line 7:?[31m??");
    assert_int_equal(error_prefix(&e, "file\t%s", "x"), BAD_INPUT);
    assert_string_equal(e.text, "file?x: line 7:?[31m??");
}

/* A prefix of any length leaves half of the room to the message. */
static void test_long_prefix(void **state)
{
    (void)state;
    char name[3 * sizeof((Error *)0)->text];
    memset(name, 'p', sizeof name);
    name[sizeof name - 1] = 0;
    Error e = {0};
    error_set(&e, FAILED, "the message");
    error_prefix(&e, "%s", name);
    assert_int_equal(strspn(e.text, "p"), sizeof e.text / 2);
    assert_string_equal(e.text + sizeof e.text / 2, ": the message");
    e = (Error){0};
    error_set(&e, FAILED, "%s", name);
    assert_int_equal(strlen(e.text), sizeof e.text - 1);
    assert_string_equal(e.text + sizeof e.text - 5, "p..."); /* a cut is to be seen */
    name[3500] = 0;
    e = (Error){0};
    error_set(&e, FAILED, "%s!", name); /* a path of the greatest length that is usual, and more */
    assert_string_equal(e.text + 3500, "!");
}

/* Only a wrong command line is answered by how to write one. */
static void test_arguments(void **state)
{
    (void)state;
    Error e = {0};
    error_set(&e, BAD_USAGE, "a key is wrong");
    assert_false(e.arguments);
    assert_int_equal(error_arguments(&e, "later"), BAD_USAGE);
    assert_false(e.arguments);
    assert_string_equal(e.text, "a key is wrong");
    e = (Error){0};
    assert_int_equal(error_arguments(&e, "--%s is needed", "x"), BAD_USAGE);
    assert_true(e.arguments);
    assert_string_equal(e.text, "--x is needed");
}

/* Files and folders stay as they are. */
static void test_files_do_nothing(void **state)
{
    (void)state;
    Scratch s;
    Error e = {.status = BAD_INPUT, .text = "before"};
    FileMap map = {(const unsigned char *)"x", 1};
    FileWriter w;
    FolderLock lock;
    Text text = {0};
    char **names, *missing;
    int64_t count = 5;
    scratch_make(&s);
    const char *path = scratch_write(&s, "file", "abc", 3);
    assert_int_equal(file_map(&map, path, &e), BAD_INPUT);
    assert_null(map.data);
    assert_int_equal(file_read(&text, path, 100, &e), BAD_INPUT);
    assert_int_equal(text.count, 0);
    assert_int_equal(file_replace(path, "new", 3, &e), BAD_INPUT);
    assert_int_equal(file_append(path, "new", 3, &e), BAD_INPUT);
    assert_int_equal(file_truncate(path, 0, &e), BAD_INPUT);
    assert_int_equal(file_rename(path, "elsewhere", &e), BAD_INPUT);
    assert_int_equal(file_remove(path, &e), BAD_INPUT);
    file_begin(&w, path, &e);
    file_put(&w, "new", 3, &e);
    assert_int_equal(file_commit(&w, &e), BAD_INPUT);
    assert_int_equal(folder_lock(&lock, s.folder, &e), BAD_INPUT);
    folder_unlock(&lock);
    assert_int_equal(folder_list(&names, &count, s.folder, NULL, &e), BAD_INPUT);
    assert_null(names);
    assert_int_equal(count, 0);
    assert_int_equal(folder_remove(s.folder, &e), BAD_INPUT);
    missing = path_join(s.folder, "folder", &(Error){0});
    assert_int_equal(folder_make(missing, &e), BAD_INPUT);
    assert_false(file_exists(missing));
    free(missing);
    assert_string_equal(e.text, "before");
    Error none = {0};
    assert_int_equal(folder_list(&names, &count, s.folder, NULL, &none), OK);
    assert_int_equal(count, 1); /* no file.tmp, no lock */
    names_free(names, count);
    assert_int_equal(file_read(&text, path, 100, &none), OK);
    assert_string_equal(text_string(&text), "abc");
    text_free(&text);
    scratch_remove(&s);
}

/* Paths that could not be made are NULL: nobody may look at them. */
static void test_null_after_failure(void **state)
{
    (void)state;
    Error e = {.status = FAILED, .text = "before"};
    Arena a;
    Text t = {0};
    Json j;
    bool missing = true;
    arena_init(&a);
    assert_null(memory_new(1, 1, &e));
    assert_null(memory_grow(NULL, 1, 1, &e));
    assert_null(memory_copy(NULL, &e));
    assert_null(memory_copy_bytes(NULL, 3, &e));
    assert_null(arena_alloc(&a, 1, 1, &e));
    assert_null(arena_zero(&a, 1, 1, &e));
    assert_null(arena_copy(&a, NULL, &e));
    assert_null(a.first);
    assert_null(path_join(NULL, NULL, &e));
    assert_null(path_folder(NULL, &e));
    assert_int_equal(path_check_below(NULL, NULL, &missing, &e), FAILED);
    assert_false(missing);
    assert_int_equal(text_add(&t, NULL, &e), FAILED);
    assert_int_equal(text_add_bytes(&t, NULL, 3, &e), FAILED);
    assert_int_equal(text_format(&t, &e, "x"), FAILED);
    assert_int_equal(utf8_repair(&t, "x", 1, &e), FAILED);
    assert_null(t.data);
    assert_int_equal(json_open(&j, NULL, 10, &e), FAILED);
    assert_null(j.root);
    assert_int_equal(file_read(&t, NULL, 10, &e), FAILED);
    assert_int_equal(file_replace(NULL, "x", 1, &e), FAILED);
    assert_int_equal(file_append(NULL, "x", 1, &e), FAILED);
    assert_int_equal(file_remove(NULL, &e), FAILED);
    assert_int_equal(folder_make(NULL, &e), FAILED);
    assert_int_equal(folder_remove(NULL, &e), FAILED);
    assert_string_equal(e.text, "before");
}

static void test_options_do_nothing(void **state)
{
    (void)state;
    Error e = {.status = FAILED, .text = "before"};
    bool given = false;
    const Option options[] = {{.name = "go", .given = &given}, {0}};
    char word[] = "--go", *arguments[] = {word};
    int count = 1;
    assert_int_equal(options_parse(options, arguments, &count, &e), FAILED);
    assert_false(given);
    assert_int_equal(count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_stays),        cmocka_unit_test(test_long_prefix),
        cmocka_unit_test(test_arguments),          cmocka_unit_test(test_files_do_nothing),
        cmocka_unit_test(test_null_after_failure), cmocka_unit_test(test_options_do_nothing),
    };
    return cmocka_run_group_tests_name("base/error", tests, NULL, NULL);
}
