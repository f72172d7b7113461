/* Files that change while they are mapped: src/base/map_guard.c. */
#define _XOPEN_SOURCE 700 /* truncate */

#include "fixture/scratch.h"

#include "base/file.h"
#include "base/map_guard.h"
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Reads a map whose file was cut: does not return. */
static void read_cut_map(const char *path, int messages)
{
    Error e = {0};
    FileMap map;
    dup2(messages, 2);
    map_guard_start();
    file_map(&map, path, &e);
    if (truncate(path, 0))
        _exit(99);
    const volatile unsigned char *p = map.data;
    _exit(p[map.size - 1]);
}

/* A file that is cut while it is mapped ends the process with the status of a bad file, and is named. */
static void test_cut_map(void **state)
{
    (void)state;
    enum { SIZE = 100000 };
    Scratch s;
    Error e = {0};
    int ends[2];
    char said[600] = {0};
    int status;
    scratch_make(&s);
    char *bytes = memory_new(SIZE, 1, &e);
    const char *path = scratch_write(&s, "weights\x1b", bytes, SIZE);
    assert_int_equal(pipe(ends), 0);
    const pid_t child = fork();
    if (!child)
        read_cut_map(path, ends[1]);
    close(ends[1]);
    assert_true(read(ends[0], said, sizeof said - 1) > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), BAD_INPUT);
    assert_non_null(strstr(said, "weights?: cannot be read any more: it was cut while it was in use"));
    close(ends[0]);
    free(bytes);
    scratch_remove(&s);
}

/* A cut within the last page is no bus error: the rest of the page reads as zeros. */
static void test_changed_map(void **state)
{
    (void)state;
    Scratch s;
    Error e = {0};
    FileMap map;
    FileMap other;
    scratch_make(&s);
    file_map(&other, scratch_write(&s, "other", "abcdef", 6), &e);
    const char *path = scratch_write(&s, "a", "abcdef", 6);
    file_map(&map, path, &e);
    assert_int_equal(map_guard_check(&e), OK);
    file_replace(path, "xyz", 3, &e); /* another file of the name: the map still has its own */
    assert_int_equal(map_guard_check(&e), OK);
    assert_memory_equal(map.data, "abcdef", 6);
    file_unmap(&map);
    file_map(&map, path, &e);
    assert_int_equal(truncate(path, 2), 0);
    assert_int_equal(map_guard_check(&e), BAD_INPUT);
    assert_non_null(strstr(e.text, "was changed while it was in use (from 3 bytes to 2)"));
    file_unmap(&map);
    e = (Error){0};
    assert_int_equal(map_guard_check(&e), OK);
    file_unmap(&other);
    scratch_remove(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cut_map), cmocka_unit_test(test_changed_map)};
    return cmocka_run_group_tests_name("base/map_guard", tests, NULL, NULL);
}
