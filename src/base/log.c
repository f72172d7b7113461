/* Messages. Nothing but this file, progress.c, start.c and main.c's usage lines writes to standard error. What is
 * formatted is made printable; the colours and the wiping of a line are ours. */
#include "base/log.h"

#include "base/printable.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

/* Columns of the terminal at standard error; 80 where it does not say. A progress line has one less. */
static int terminal_width(void)
{
    struct winsize size;
    return !ioctl(2, TIOCGWINSZ, &size) && size.ws_col > 1 ? size.ws_col : 80;
}

void log_init(Log *l, bool quiet, bool verbose)
{
    const char *term = getenv("TERM");
    const char *no_color = getenv("NO_COLOR");
    bool terminal = isatty(2) && term && *term && strcmp(term, "dumb");
    *l = (Log){.quiet = quiet,
               .verbose = verbose,
               .terminal = terminal,
               .colour = terminal && !(no_color && *no_color),
               .width = terminal ? terminal_width() : 0,
               .pause = 10};
}

bool output_is_terminal(void)
{
    return isatty(1);
}

/* One line. On a terminal it first wipes the progress line that may stand there. */
static void print(const Log *l, const char *prefix, const char *format, va_list args)
{
    fputs(l->terminal ? "\r\x1b[K" : "", stderr);
    fputs(prefix, stderr);
    printable_vprintf(stderr, format, args);
    fputc('\n', stderr);
}

void log_info(const Log *l, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (!l->quiet)
        print(l, "", format, args);
    va_end(args);
}

void log_detail(const Log *l, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (l->verbose)
        print(l, "", format, args);
    va_end(args);
}

void log_warning(const Log *l, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print(l, l->colour ? "\x1b[33mmpa: warning:\x1b[0m " : "mpa: warning: ", format, args);
    va_end(args);
}

void log_error(const Log *l, const Error *e)
{
    fputs(l->terminal ? "\r\x1b[K" : "", stderr);
    fputs(l->colour ? "\x1b[31mmpa:\x1b[0m " : "mpa: ", stderr);
    printable_printf(stderr, "%s\n", e->text);
}

double clock_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
