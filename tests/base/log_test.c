/* Messages and progress on standard error, where it is no terminal: src/base/log.c. And signals:
 * src/base/signals.c. */
#include "base/log.h"
#include "base/signals.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Standard error goes into a file while a test writes to it. */
typedef struct {
    FILE *file;
    int before;
    char text[2000];
} Capture;

static void capture_begin(Capture *c)
{
    c->file = tmpfile();
    assert_non_null(c->file);
    fflush(stderr);
    c->before = dup(2);
    assert_true(c->before >= 0 && dup2(fileno(c->file), 2) == 2);
}

static const char *capture_end(Capture *c)
{
    fflush(stderr);
    assert_int_equal(dup2(c->before, 2), 2);
    close(c->before);
    rewind(c->file);
    c->text[fread(c->text, 1, sizeof c->text - 1, c->file)] = 0;
    fclose(c->file);
    return c->text;
}

static void write_all_kinds(bool quiet, bool verbose)
{
    Log l;
    log_init(&l, quiet, verbose);
    assert_false(l.terminal || l.colour);
    log_info(&l, "info %d", 1);
    log_detail(&l, "detail");
    log_warning(&l, "strange");
    log_error(&l, &(Error){FAILED, "broken"});
}

static void test_kinds(void **state)
{
    (void)state;
    Capture c;
    capture_begin(&c);
    write_all_kinds(false, false);
    assert_string_equal(capture_end(&c), "info 1\nmpa: warning: strange\nmpa: broken\n");
    capture_begin(&c);
    write_all_kinds(true, false);
    assert_string_equal(capture_end(&c), "mpa: warning: strange\nmpa: broken\n");
    capture_begin(&c);
    write_all_kinds(false, true);
    assert_string_equal(capture_end(&c), "info 1\ndetail\nmpa: warning: strange\nmpa: broken\n");
}

/* No line is redrawn, and within 10 s only the last one is written. */
static void test_progress(void **state)
{
    (void)state;
    Capture c;
    Log l;
    Progress p;
    capture_begin(&c);
    log_init(&l, false, false);
    progress_begin(&p, &l, "work", 2, 5);
    for (int64_t done = 3; done <= 5; done++)
        progress_show(&p, done, "a note");
    const char *text = capture_end(&c);
    assert_memory_equal(text, "work 5/5  ", 10);
    assert_non_null(strstr(text, "a note\n"));
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
    assert_null(strpbrk(text, "\r\x1b"));
}

static void test_quiet_progress(void **state)
{
    (void)state;
    Capture c;
    Log l;
    Progress p;
    capture_begin(&c);
    log_init(&l, true, false);
    progress_begin(&p, &l, "work", 0, 1);
    progress_show(&p, 1, NULL);
    assert_string_equal(capture_end(&c), "");
}

/* A child that is signalled `times` times: the status it ends with, and in *lived how many of the
 * signals it outlived. It goes on after the first, and after cleaning up ends by SIGINT, not by SIGTERM. */
static int status_of_child(int number, int times, int *lived)
{
    int pipes[2];
    char byte;
    assert_int_equal(pipe(pipes), 0);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child) {
        if (!freopen("/dev/null", "w", stderr))
            _exit(90);
        signals_catch();
        if (*signals_flag())
            _exit(91);
        for (int i = 0; i < times; i++) {
            raise(number);
            if (write(pipes[1], "x", 1) != 1)
                _exit(93);
        }
        if (*signals_flag() != (times ? number : 0))
            _exit(92);
        signals_finish();
        _exit(7);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    close(pipes[1]);
    *lived = 0;
    while (read(pipes[0], &byte, 1) == 1)
        ++*lived;
    close(pipes[0]);
    return status;
}

static void test_signals(void **state)
{
    (void)state;
    static const int numbers[] = {SIGINT, SIGTERM};
    int lived;
    for (int i = 0; i < 2; i++)
        for (int times = 1; times <= 2; times++) {
            int status = status_of_child(numbers[i], times, &lived);
            if (times == 1 && numbers[i] == SIGTERM) /* then the exit status says it */
                assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
            else
                assert_true(WIFSIGNALED(status) && WTERMSIG(status) == numbers[i]);
            assert_int_equal(lived, 1);
        }
    int none = status_of_child(SIGINT, 0, &lived);
    assert_true(WIFEXITED(none) && WEXITSTATUS(none) == 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kinds), cmocka_unit_test(test_progress),
                                       cmocka_unit_test(test_quiet_progress), cmocka_unit_test(test_signals)};
    return cmocka_run_group_tests_name("base/log", tests, NULL, NULL);
}
