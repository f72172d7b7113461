/* Files and folders: src/base/file.c, folder.c. */
#define _XOPEN_SOURCE 700 /* symlink, mkfifo */

#include "fixture/scratch.h"

#include "base/file.h"
#include "base/folder.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/signals.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void check_holds(const char *path, const char *wanted)
{
    Text t = {0};
    Error e = {0};
    if (file_read(&t, path, 1 << 20, &e) != OK)
        fail_msg("%s", e.text);
    assert_string_equal(text_string(&t), wanted);
    text_free(&t);
}

static void test_read(void **state)
{
    (void)state;
    enum { LONG = 100000 };
    Scratch s;
    Error e = {0};
    Text t = {0};
    FileMap map;
    scratch_make(&s);
    char *bytes = memory_new(LONG, 1, &e);
    for (int i = 0; i < LONG; i++)
        bytes[i] = (char)(i % 251);
    const char *path = scratch_write(&s, "long", bytes, LONG);
    assert_int_equal(file_size(path), LONG);
    assert_int_equal(text_add(&t, "ab", &e), OK); /* what is there already stays */
    assert_int_equal(file_read(&t, path, LONG, &e), OK);
    assert_int_equal(t.count, LONG + 2);
    assert_memory_equal(t.data, "ab", 2);
    assert_memory_equal(t.data + 2, bytes, LONG);
    assert_int_equal(file_map(&map, path, &e), OK);
    assert_int_equal(map.size, LONG);
    assert_memory_equal(map.data, bytes, LONG);
    file_unmap(&map);
    file_unmap(&map); /* once more is nothing */
    assert_int_equal(file_read(&t, path, LONG - 1, &e), BAD_INPUT);
    assert_non_null(strstr(e.text, "100000 bytes are more than the 99999"));
    free(bytes);
    text_free(&t);
    scratch_remove(&s);
}

static void test_empty(void **state)
{
    (void)state;
    Scratch s;
    Error e = {0};
    FileMap map;
    scratch_make(&s);
    const char *path = scratch_write(&s, "empty", "", 0);
    assert_int_equal(file_map(&map, path, &e), OK);
    assert_int_equal(map.size, 0);
    file_unmap(&map);
    assert_int_equal(file_size(path), 0);
    check_holds(path, "");
    scratch_remove(&s);
}

static void refused(const char *path, const char *why)
{
    Error e = {0};
    FileMap map;
    assert_int_equal(file_map(&map, path, &e), BAD_INPUT);
    assert_null(map.data);
    if (strncmp(e.text, path, strlen(path)) || !strstr(e.text, why))
        fail_msg("\"%s\" does not name %s and \"%s\"", e.text, path, why);
    assert_int_equal(file_size(path), -1);
}

static void test_no_regular_file(void **state)
{
    (void)state;
    Scratch s;
    Error e = {0};
    scratch_make(&s);
    refused(scratch_path(&s, "absent"), "No such file");
    assert_false(file_exists(s.path));
    refused(s.folder, "not a regular file");
    assert_true(file_exists(s.folder) && file_is_folder(s.folder));
    assert_int_equal(mkfifo(scratch_path(&s, "fifo"), 0600), 0);
    refused(s.path, "not a regular file"); /* and does not wait for a writer */
    assert_false(file_is_folder(s.path));
    assert_int_equal(file_remove(s.path, &e), OK);
    assert_int_equal(file_remove(s.path, &e), OK); /* a missing file is fine */
    assert_int_equal(file_remove(s.folder, &e), FAILED);
    scratch_remove(&s);
}

static void test_replace(void **state)
{
    (void)state;
    Scratch s;
    Error e = {0};
    FileWriter w;
    scratch_make(&s);
    const char *path = scratch_write(&s, "a", "old", 3);
    file_begin(&w, path, &e);
    file_put(&w, "ne", 2, &e);
    check_holds(path, "old");
    file_put(&w, "w", 1, &e);
    assert_int_equal(file_commit(&w, &e), OK);
    check_holds(path, "new");
    /* A failure between begin and commit: the old file stays, the new one goes. */
    Error failed = {0};
    file_begin(&w, path, &failed);
    file_put(&w, "half", 4, &failed);
    error_set(&failed, NOT_FINITE, "something else");
    assert_int_equal(file_commit(&w, &failed), NOT_FINITE);
    assert_string_equal(failed.text, "something else");
    check_holds(path, "new");
    assert_false(file_exists(scratch_path(&s, "a.tmp")));
    /* A folder in the way. */
    assert_int_equal(file_replace(s.folder, "x", 1, &e), FAILED);
    assert_non_null(strstr(e.text, "is a folder"));
    Text left = {0};
    assert_int_equal(text_format(&left, &(Error){0}, "%s.tmp", s.folder), OK);
    assert_false(file_exists(left.data));
    text_free(&left);
    failed = (Error){0};
    assert_int_equal(file_replace(scratch_path(&s, "no/such"), "x", 1, &failed), FAILED);
    assert_non_null(strstr(failed.text, "no/such.tmp: cannot create"));
    scratch_remove(&s);
}

/* A limit on the size of files is like a full disk: status 4, and what to do. Without signals_catch
 * the system would end the process. */
static void test_no_room(void **state)
{
    (void)state;
    Scratch s;
    Error e = {0};
    struct rlimit before, small;
    char bytes[3000] = {0};
    scratch_make(&s);
    const char *path = scratch_write(&s, "a", "old", 3);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 1000;
    signals_catch();
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    file_replace(path, bytes, sizeof bytes, &e);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(e.status, NO_MEMORY);
    assert_non_null(strstr(e.text, "a.tmp: cannot write"));
    assert_non_null(strstr(e.text, "free disk space"));
    check_holds(path, "old");
    assert_false(file_exists(scratch_path(&s, "a.tmp")));
    scratch_remove(&s);
}

static void test_append_and_cut(void **state)
{
    (void)state;
    Scratch s;
    Error e = {0};
    scratch_make(&s);
    const char *path = scratch_path(&s, "log");
    assert_int_equal(file_append(path, "one ", 4, &e), OK);
    assert_int_equal(file_append(path, "two", 3, &e), OK);
    check_holds(path, "one two");
    assert_int_equal(file_truncate(path, 7, &e), OK);
    assert_int_equal(file_truncate(path, 3, &e), OK);
    check_holds(path, "one");
    char *other = path_join(s.folder, "other", &e);
    assert_int_equal(file_rename(path, other, &e), OK);
    check_holds(other, "one");
    assert_false(file_exists(path));
    assert_int_equal(file_truncate(other, 4, &e), FAILED);
    assert_non_null(strstr(e.text, "has 3 bytes, fewer than the 4"));
    e = (Error){0};
    assert_int_equal(file_rename(path, other, &e), FAILED);
    check_holds(other, "one");
    free(other);
    scratch_remove(&s);
}

/* Whatever happens, nothing stays open: all of this many times with few descriptors. */
static void test_descriptors(void **state)
{
    (void)state;
    Scratch s;
    struct rlimit before, few;
    scratch_make(&s);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = 32;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    for (int i = 0; i < 64; i++) {
        Error e = {0}, failed = {0};
        FileMap map;
        FileWriter w;
        Text t = {0};
        char **names;
        int64_t count;
        const char *path = scratch_path(&s, "a");
        file_replace(path, "abc", 3, &e);
        file_append(path, "d", 1, &e);
        file_truncate(path, 2, &e);
        file_rename(path, path, &e);
        file_map(&map, path, &e);
        file_unmap(&map);
        file_read(&t, path, 100, &e);
        folder_list(&names, &count, s.folder, NULL, &e);
        names_free(names, count);
        if (e.status != OK)
            fail_msg("%s", e.text);
        file_map(&map, s.folder, &failed);
        failed = (Error){0};
        file_read(&t, path, 1, &failed);
        failed = (Error){0};
        file_begin(&w, path, &failed);
        error_set(&failed, FAILED, "x");
        file_commit(&w, &failed);
        text_free(&t);
    }
    setrlimit(RLIMIT_NOFILE, &before);
    scratch_remove(&s);
}

static void test_folders(void **state)
{
    (void)state;
    static const char *const pictures[] = {".jpg", ".png", NULL};
    Scratch s;
    Error e = {0};
    char **names;
    int64_t count;
    scratch_make(&s);
    char *deep = path_join(s.folder, "a//b/c/", &e);
    assert_int_equal(folder_make(deep, &e), OK);
    assert_int_equal(folder_make(deep, &e), OK);
    assert_true(file_is_folder(deep));
    Text name = {0};
    for (int i = 0; i < 150; i++) {
        text_clear(&name);
        text_format(&name, &e, "%s%d.%s", deep, (i * 37) % 150, i % 3 ? "JPG" : i % 2 ? "png" : "txt");
        assert_int_equal(file_replace(name.data, "", 0, &e), OK);
    }
    assert_int_equal(folder_list(&names, &count, deep, pictures, &e), OK);
    assert_int_equal(count, 125);
    for (int64_t i = 1; i < count; i++)
        assert_true(strcmp(names[i - 1], names[i]) < 0);
    names_free(names, count);
    assert_int_equal(folder_list(&names, &count, deep, NULL, &e), OK);
    assert_int_equal(count, 150); /* without . and .. */
    names_free(names, count);
    assert_int_equal(folder_make(name.data, &e), FAILED);
    assert_non_null(strstr(e.text, "is not a folder"));
    e = (Error){0};
    assert_int_equal(folder_list(&names, &count, name.data, NULL, &e), BAD_INPUT);
    assert_null(names);
    e = (Error){0};
    assert_int_equal(folder_make("", &e), FAILED);
    e = (Error){0};
    Text below = {0};
    text_format(&below, &e, "%s/x", name.data);
    assert_int_equal(folder_make(below.data, &e), FAILED);
    assert_non_null(strstr(e.text, "/x: cannot create the folder"));
    text_free(&below);
    e = (Error){0};
    text_clear(&name);
    text_format(&name, &e, "%s/a", s.folder);
    assert_int_equal(folder_remove(name.data, &e), FAILED); /* it holds a folder */
    assert_non_null(strstr(e.text, "a/b: cannot remove"));
    e = (Error){0};
    assert_int_equal(folder_remove(deep, &e), OK);
    assert_int_equal(folder_remove(deep, &e), OK); /* a missing one is fine */
    assert_false(file_exists(deep));
    text_clear(&name);
    text_format(&name, &e, "%s/a/b", s.folder);
    assert_int_equal(folder_remove(name.data, &e), OK);
    name.data[name.count - 2] = 0;
    assert_int_equal(folder_remove(name.data, &e), OK);
    free(deep);
    text_free(&name);
    scratch_remove(&s);
}

/* Only a regular file is replaced. */
static void test_replace_special(void **state)
{
    (void)state;
    Scratch s;
    Error e = {0};
    struct stat is;
    char got[4] = {0};
    char link[330];
    scratch_make(&s);
    strcpy(link, scratch_path(&s, "link"));
    scratch_write(&s, "target", "old", 3);
    assert_int_equal(symlink("target", link), 0);
    assert_int_equal(file_replace(link, "new", 3, &e), OK);
    assert_true(!lstat(link, &is) && S_ISLNK(is.st_mode));
    check_holds(scratch_path(&s, "target"), "new");
    assert_int_equal(file_remove(s.path, &e), OK);
    assert_int_equal(file_replace(link, "new", 3, &e), FAILED);
    assert_non_null(strstr(e.text, "cannot follow the link"));
    e = (Error){0};
    assert_int_equal(mkfifo(scratch_path(&s, "fifo"), 0600), 0);
    assert_int_equal(file_replace(s.path, "new", 3, &e), FAILED);
    assert_non_null(strstr(e.text, "without a reader"));
    e = (Error){0};
    const int reader = open(s.path, O_RDONLY | O_NONBLOCK);
    assert_int_equal(file_replace(s.path, "new", 3, &e), OK);
    assert_int_equal(read(reader, got, 3), 3);
    assert_string_equal(got, "new");
    assert_true(!lstat(s.path, &is) && S_ISFIFO(is.st_mode));
    assert_int_equal(file_append(s.path, "x", 1, &e), FAILED);
    close(reader);
    e = (Error){0};
    assert_int_equal(file_replace("/dev/null", "new", 3, &e), OK);
    assert_int_equal(file_replace(s.folder, "new", 3, &e), FAILED);
    assert_non_null(strstr(e.text, "is a folder"));
    scratch_remove(&s);
}

static void test_truncate_missing(void **state)
{
    (void)state;
    Scratch s;
    Error e = {0};
    scratch_make(&s);
    assert_int_equal(file_truncate(scratch_path(&s, "metrics.jsonl"), 9, &e), FAILED);
    assert_non_null(strstr(e.text, "is not there"));
    scratch_remove(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_read),
                                       cmocka_unit_test(test_empty),
                                       cmocka_unit_test(test_no_regular_file),
                                       cmocka_unit_test(test_replace),
                                       cmocka_unit_test(test_no_room),
                                       cmocka_unit_test(test_append_and_cut),
                                       cmocka_unit_test(test_descriptors),
                                       cmocka_unit_test(test_folders),
                                       cmocka_unit_test(test_replace_special),
                                       cmocka_unit_test(test_truncate_missing)};
    return cmocka_run_group_tests_name("base/file", tests, NULL, NULL);
}
