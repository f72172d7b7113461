/* Messages and progress. Nothing but this file and main.c's usage lines writes to standard error. What is
 * formatted is made printable; the colours and the wiping of a line are ours. */
#include "base/log.h"

#include "base/memory.h"
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
    *l = (Log){quiet, verbose, terminal, terminal && !(no_color && *no_color),
               terminal ? terminal_width() : 0};
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

void progress_begin(Progress *p, const Log *l, const char *label, int64_t done, int64_t total)
{
    double now = clock_seconds();
    *p = (Progress){l, label, total, done, now, now};
}

void progress_show(Progress *p, int64_t done, const char *note)
{
    double now = clock_seconds();
    double pause = p->log->terminal ? 0.2 : 10;
    bool end = done >= p->total;
    if (p->log->quiet || (!end && now - p->last < pause))
        return;
    p->last = now;
    double spent = now - p->start;
    double rate = spent > 0 ? (double)(done - p->first) / spent : 0;
    char line[200];
    int n = snprintf(line, sizeof line, "%s %lld/%lld", p->label, (long long)done, (long long)p->total);
    if (n > 0 && n < 150 && rate > 0)
        n += snprintf(line + n, sizeof line - (size_t)n, "  %.3g/s  %s %.0f s", rate, end ? "in" : "left",
                      end ? spent : (double)(p->total - done) / rate);
    if (n > 0 && n < 150)
        n += snprintf(line + n, sizeof line - (size_t)n, "  %.0f MiB", (double)memory_peak() / 1048576);
    if (note && n > 0 && n < 150)
        snprintf(line + n, sizeof line - (size_t)n, "  %.40s", note);
    if (p->log->terminal) {
        fputs("\r", stderr);
        printable_printf(stderr, "%.*s", p->log->width - 1, line);
        fputs(end ? "\x1b[K\n" : "\x1b[K", stderr);
    } else {
        printable_printf(stderr, "%s\n", line);
    }
}
