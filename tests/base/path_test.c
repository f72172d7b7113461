/* Paths: src/base/path.c. */
#define _XOPEN_SOURCE 700 /* symlink */

#include "fixture/scratch.h"

#include "base/file.h"
#include "base/folder.h"
#include "base/path.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void check_path(char *got, const char *wanted)
{
    assert_string_equal(got, wanted);
    free(got);
}

static void test_paths(void **state)
{
    (void)state;
    Error e = {0};
    check_path(path_join("a", "b", &e), "a/b");
    check_path(path_join("a/", "b/c", &e), "a/b/c");
    check_path(path_join("a", "/b", &e), "/b");
    check_path(path_join("", "b", &e), "b");
    check_path(path_join(NULL, "b", &e), "b");
    check_path(path_folder("a/b/c", &e), "a/b");
    check_path(path_folder("c", &e), ".");
    check_path(path_folder("/c", &e), "/");
}

static void check_below(const char *folder, const char *path, const char *problem, bool is_missing)
{
    Error e = {0};
    bool missing = !is_missing;
    Status status = path_check_below(folder, path, &missing, &e);
    assert_int_equal(status, problem ? BAD_INPUT : OK);
    assert_int_equal(missing, is_missing);
    if (problem && !strstr(e.text, problem))
        fail_msg("%s below %s: \"%s\" does not say \"%s\"", path, folder, e.text, problem);
}

static void test_below(void **state)
{
    (void)state;
    Scratch s;
    Error e = {0};
    scratch_make(&s);
    char *in = path_join(s.folder, "in", &e), *inner = path_join(s.folder, "inner", &e);
    char *a = path_join(in, "a.png", &e), *b = path_join(inner, "b.png", &e);
    char *out = path_join(in, "out.png", &e), *up = path_join(in, "../inner/b.png", &e);
    folder_make(in, &e);
    folder_make(inner, &e);
    file_replace(a, "", 0, &e);
    file_replace(b, "", 0, &e);
    assert_int_equal(e.status, OK);
    assert_int_equal(symlink(b, out), 0);
    check_below(in, a, NULL, false);
    check_below("/", a, NULL, false);
    check_below(in, b, "does not lie below", false); /* "in" is how its name begins, too */
    check_below(in, up, "does not lie below", false);
    check_below(in, out, "does not lie below", false); /* a link leads out */
    check_below(s.folder, out, NULL, false);
    check_below(s.folder, in, "not a regular file", false);
    check_below(in, scratch_path(&s, "in/none.png"), "No such file", true);
    check_below(in, scratch_path(&s, "in/a.png/x"), "Not a directory", true);
    check_below(scratch_path(&s, "none"), a, "none: No such file", false);
    folder_remove(in, &e);
    folder_remove(inner, &e);
    assert_int_equal(e.status, OK);
    free(in);
    free(inner);
    free(a);
    free(b);
    free(out);
    free(up);
    scratch_remove(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_paths), cmocka_unit_test(test_below)};
    return cmocka_run_group_tests_name("base/path", tests, NULL, NULL);
}
