/* A folder that only one process may work in: src/base/lock.c. */
#include "fixture/scratch.h"

#include "base/file.h"
#include "base/lock.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Locks belong to processes: a child tries to get one. */
static Status status_for_another(const char *folder)
{
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child) {
        FolderLock lock;
        Error e = {0};
        Status status = folder_lock(&lock, folder, &e);
        folder_unlock(&lock);
        _exit((int)status);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return (Status)WEXITSTATUS(status);
}

static void test_one_at_a_time(void **state)
{
    (void)state;
    Scratch s;
    FolderLock lock = {0};
    Error e = {0};
    scratch_make(&s);
    assert_int_equal(folder_lock(&lock, s.folder, &e), OK);
    assert_int_equal(status_for_another(s.folder), FAILED);
    folder_unlock(&lock);
    assert_false(file_exists(scratch_path(&s, "lock")));
    assert_int_equal(status_for_another(s.folder), OK);
    folder_unlock(&lock); /* once more is nothing */
    scratch_remove(&s);
}

/* A process that was killed leaves the file, but not the lock. */
static void test_killed(void **state)
{
    (void)state;
    Scratch s;
    FolderLock lock = {0};
    Error e = {0};
    int ready[2], status;
    char byte;
    scratch_make(&s);
    assert_int_equal(pipe(ready), 0);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child) {
        if (folder_lock(&lock, s.folder, &e) == OK && write(ready[1], "x", 1) == 1)
            pause();
        _exit(1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(folder_lock(&lock, s.folder, &e), FAILED);
    assert_non_null(strstr(e.text, "another mpa is at work"));
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    e = (Error){0};
    assert_true(file_exists(scratch_path(&s, "lock")));
    assert_int_equal(folder_lock(&lock, s.folder, &e), OK);
    folder_unlock(&lock);
    close(ready[0]);
    close(ready[1]);
    scratch_remove(&s);
}

static void test_no_folder(void **state)
{
    (void)state;
    FolderLock lock;
    Error e = {0};
    assert_int_equal(folder_lock(&lock, "/no/such/folder", &e), FAILED);
    folder_unlock(&lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_one_at_a_time), cmocka_unit_test(test_killed),
                                       cmocka_unit_test(test_no_folder)};
    return cmocka_run_group_tests_name("base/lock", tests, NULL, NULL);
}
