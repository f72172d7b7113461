#define _DEFAULT_SOURCE /* wait4 */

#include "hostile/hostile.h"

#include "base/file.h"
#include "base/log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* What is promised; a sanitizer takes more of both. */
static const double most_seconds = 3;
static const long most_kib = 256 * 1024;

void hostile_begin(Hostile *h)
{
    *h = (Hostile){.cases = 0};
    scratch_make(&h->scratch);
}

void hostile_end(Hostile *h, int least)
{
    scratch_remove(&h->scratch);
    print_message("  %d bad inputs\n", h->cases);
    assert_int_equal(h->failed, 0);
    assert_true(h->cases >= least);
}

const char *hostile_file(Hostile *h, const char *name, const void *bytes, size_t count)
{
    return scratch_write(&h->scratch, name, bytes, count);
}

void hostile_lists(Text *t)
{
    for (int i = 0; i < 2000000; i++)
        text_add(t, "[],", &(Error){0});
}

static bool is_sanitized(void)
{
    const char *san = getenv("SAN");
    return san && *san;
}

static void start_program(const char *const *arguments, const char *out, const char *err)
{
    const char *program = getenv("MPA");
    const char *list[40] = {program ? program : "./mpa"};
    for (int i = 0; arguments[i] && i < 38; i++)
        list[i + 1] = arguments[i];
    if (!freopen("/dev/null", "r", stdin) || !freopen(out, "w", stdout) || !freopen(err, "w", stderr))
        _exit(98);
    alarm(60);
    execv(list[0], (char *const *)(uintptr_t)list);
    _exit(97);
}

/* One line that starts with "mpa: " or before it with messages, and holds the word; printable. */
static const char *fault_of_message(const Text *t, const char *word)
{
    const char *text = text_string(t);
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p < 32 && *p != '\n' && *p != '\t')
            return "a control character in the message";
    if (strncmp(text, "mpa", 3))
        return "no message of mpa";
    return strstr(text, word) ? NULL : "the message lacks the word";
}

void hostile_case(Hostile *h, const char *name, int status, const char *word, const char *const *arguments)
{
    char out[400], err[400];
    Text message = {0};
    Error e = {0};
    struct rusage used;
    int ended = 0;
    snprintf(out, sizeof out, "%s", scratch_path(&h->scratch, "stdout"));
    snprintf(err, sizeof err, "%s", scratch_path(&h->scratch, "stderr"));
    h->cases++;
    fflush(NULL);
    const double begin = clock_seconds();
    const pid_t child = fork();
    if (!child)
        start_program(arguments, out, err);
    assert_int_equal(wait4(child, &ended, 0, &used), child);
    const double cpu =
        (double)used.ru_utime.tv_sec + (double)used.ru_stime.tv_sec + 1e-6 * (double)used.ru_utime.tv_usec;
    file_read(&message, err, 1 << 20, &e);
    const char *why = fault_of_message(&message, word);
    if (!WIFEXITED(ended) || WEXITSTATUS(ended) != status)
        why = "another status";
    else if (file_size(out) > 0)
        why = "something on standard output";
    else if (!is_sanitized() && (cpu > most_seconds || used.ru_maxrss > most_kib))
        why = "too much time or memory";
    if (why) {
        print_error(
            "%s: %s: status %d, wanted %d and \"%s\"; %.1f s (%.1f s of processor), %ld MiB: %.300s\n", name,
            why, WIFEXITED(ended) ? WEXITSTATUS(ended) : -WTERMSIG(ended), status, word,
            clock_seconds() - begin, cpu, used.ru_maxrss / 1024, text_string(&message));
        h->failed++;
    }
    text_free(&message);
}
