/* Messages on standard error, where it is no terminal: src/base/log.c. And signals:
 * src/base/signals.c. */
#define _XOPEN_SOURCE 700 /* posix_openpt */
#define _DEFAULT_SOURCE   /* TIOCSWINSZ */
#include "fixture/capture.h"

#include "base/log.h"
#include "base/signals.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void write_all_kinds(bool quiet, bool verbose)
{
    Log l;
    log_init(&l, quiet, verbose);
    assert_false(l.terminal || l.colour);
    log_info(&l, "info %d", 1);
    log_detail(&l, "detail");
    log_warning(&l, "strange");
    log_error(&l, &(Error){.status = FAILED, .text = "broken"});
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

/* What log_init finds on a terminal of so many columns, with this TERM (NULL: none). */
static Log on_terminal(const char *term, unsigned short columns)
{
    Log l = {0};
    int result[2];
    const int master = posix_openpt(O_RDWR | O_NOCTTY);
    assert_true(master >= 0 && !grantpt(master) && !unlockpt(master));
    const char *name = ptsname(master);
    assert_int_equal(pipe(result), 0);
    fflush(NULL);
    const pid_t child = fork();
    if (!child) {
        const int slave = open(name, O_RDWR | O_NOCTTY);
        const struct winsize size = {.ws_row = 24, .ws_col = columns};
        term ? setenv("TERM", term, 1) : unsetenv("TERM");
        unsetenv("NO_COLOR");
        if (slave < 0 || ioctl(slave, TIOCSWINSZ, &size) || dup2(slave, 2) < 0)
            _exit(90);
        log_init(&l, false, false);
        _exit(write(result[1], &l, sizeof l) != sizeof l);
    }
    close(result[1]);
    assert_int_equal(read(result[0], &l, sizeof l), sizeof l);
    assert_int_equal(waitpid(child, NULL, 0), child);
    close(result[0]);
    close(master);
    return l;
}

static void test_terminals(void **state)
{
    (void)state;
    Log l = on_terminal("xterm", 100);
    assert_true(l.terminal && l.colour && l.width == 100);
    l = on_terminal("xterm", 12); /* narrow ones count too */
    assert_true(l.terminal && l.width == 12);
    l = on_terminal("xterm", 0); /* unknown */
    assert_int_equal(l.width, 80);
    l = on_terminal("", 100);
    assert_false(l.terminal || l.colour);
    l = on_terminal("dumb", 100);
    assert_false(l.terminal || l.colour);
    l = on_terminal(NULL, 100);
    assert_false(l.terminal || l.colour);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kinds), cmocka_unit_test(test_signals),
                                       cmocka_unit_test(test_terminals)};
    return cmocka_run_group_tests_name("base/log", tests, NULL, NULL);
}
