/* Progress. The line is made by the work, whenever it has got further; an alarm only writes again what
 * stands. An alarm's handler has no argument, so what it shows is a static variable, as the flag of
 * base/signals.c is. The handler reads a whole line only: a new one is made beside the old one and
 * takes its place by a single store. */
#include "base/progress.h"

#include "base/memory.h"
#include "base/printable.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LINE = 240 };

/* A line as the handler needs it. */
typedef struct {
    char text[LINE];
    size_t count;
    double start; /* of the work */
    unsigned pause;
} Line;

static struct {
    Progress *work; /* the innermost; NULL: none */
    Line line[2];
    volatile sig_atomic_t current; /* which line stands */
    volatile sig_atomic_t on;      /* one stands */
} shown;

/* Appends seconds in digits; stdio may not be used in a handler. */
static size_t put_seconds(char *out, double seconds)
{
    char digit[24];
    size_t digits = 0;
    size_t used = 0;
    long long whole = (long long)seconds;
    do {
        digit[digits] = (char)('0' + whole % 10);
        digits++;
        whole /= 10;
    } while (whole > 0 && digits < sizeof digit);
    for (; digits > 0; used++) {
        digits--;
        out[used] = digit[digits];
    }
    return used;
}

static size_t put_text(char *out, const char *text)
{
    const size_t n = strlen(text);
    memcpy(out, text, n);
    return n;
}

/* The line that stands, with the seconds since its work began. */
static void on_alarm(int number)
{
    const int before = errno;
    const Line *l = &shown.line[shown.current];
    char out[LINE + 60];
    size_t used = l->count;
    (void)number;
    if (!shown.on)
        return;
    memcpy(out, l->text, l->count);
    used += put_text(out + used, "  ");
    used += put_seconds(out + used, clock_seconds() - l->start);
    used += put_text(out + used, " s so far\n");
    if (write(2, out, used) < 0)
        errno = before; /* nothing can be done about it here */
    alarm(l->pause);
    errno = before;
}

/* Appends to the line as far as there is room. */
static void put(Line *l, const char *format, ...) PRINTF_LIKE(2, 3);
static void put(Line *l, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(l->text + l->count, sizeof l->text - l->count, format, args);
    va_end(args);
    if (n > 0)
        l->count += (size_t)n < sizeof l->text - l->count ? (size_t)n : sizeof l->text - l->count - 1;
}

/* "label done/total  rate/s  left 5 s  100 MiB  note" */
static void make_line(Line *l, const Progress *p, const char *note)
{
    const double spent = clock_seconds() - p->start;
    const double now = (double)p->done + p->part;
    const double rate = spent > 0 ? (now - (double)p->first) / spent : 0;
    const bool end = p->total && p->done >= p->total;
    *l = (Line){.start = p->start, .pause = p->log->pause};
    put(l, "%.80s", p->label);
    if (p->total)
        put(l, " %lld/%lld", (long long)p->done, (long long)p->total);
    if (p->total && rate > 0)
        put(l, "  %.3g/s  %s %.0f s", rate, end ? "in" : "left",
            end ? spent : ((double)p->total - now) / rate);
    put(l, "  %.0f MiB", (double)memory_peak() / 1048576);
    if (note && *note)
        put(l, "  %.60s", note);
    make_printable(l->text, false);
    l->count = strlen(l->text);
    if (p->log->terminal && l->count > (size_t)p->log->width - 1)
        l->count = (size_t)p->log->width - 1;
}

/* On a terminal the line stands there to be seen. */
static void set_alarm(const Log *l)
{
    if (!l->terminal)
        alarm(l->pause);
}

/* The work has got further: the line that stands becomes a new one, which is written if it is time. */
static void update(Progress *p, const char *note)
{
    const double now = clock_seconds();
    const bool end = p->total && p->done >= p->total;
    const bool due = end || now - p->last >= (p->log->terminal ? 0.2 : p->log->pause);
    const int next = !shown.current;
    Line *l = &shown.line[next];
    make_line(l, p, note);
    if (shown.work == p)
        shown.current = next;
    if (!due)
        return;
    p->last = now;
    if (p->log->terminal) {
        fputs("\r", stderr);
        printable_printf(stderr, "%.*s", (int)l->count, l->text);
        fputs(end ? "\x1b[K\n" : "\x1b[K", stderr);
    } else {
        printable_printf(stderr, "%.*s\n", (int)l->count, l->text);
    }
    if (shown.work == p)
        set_alarm(p->log);
}

void progress_begin(Progress *p, const Log *l, const char *label, int64_t done, int64_t total)
{
    const double now = clock_seconds();
    struct sigaction a;
    *p = (Progress){.log = l,
                    .label = label,
                    .total = total,
                    .first = done,
                    .done = done,
                    .start = now,
                    .last = now,
                    .outer = shown.work};
    if (l->quiet)
        return;
    memset(&a, 0, sizeof a);
    a.sa_handler = on_alarm;
    a.sa_flags = SA_RESTART;
    sigemptyset(&a.sa_mask);
    shown.on = 0;
    shown.work = p;
    make_line(&shown.line[shown.current], p, NULL);
    shown.on = 1;
    sigaction(SIGALRM, &a, NULL);
    set_alarm(l);
}

void progress_show(Progress *p, int64_t done, const char *note)
{
    p->done = done;
    p->part = 0;
    if (!p->log->quiet)
        update(p, note);
}

void progress_end(Progress *p)
{
    if (p->log->quiet)
        return;
    shown.on = 0;
    shown.work = p->outer;
    if (shown.work) {
        make_line(&shown.line[shown.current], shown.work, NULL);
        shown.on = 1;
    }
    if (shown.work)
        set_alarm(p->log);
    else
        alarm(0);
}

void progress_inside(double part, const char *format, ...)
{
    char note[80];
    va_list args;
    if (!shown.work)
        return;
    va_start(args, format);
    vsnprintf(note, sizeof note, format, args);
    va_end(args);
    if (part >= 0)
        shown.work->part = part;
    update(shown.work, note);
}
