/* The plan as a text. */
#include "command/plan.h"

#include "base/disk.h"

#include <stdio.h>

static void put_time(char text[24], double seconds)
{
    if (seconds < 0)
        snprintf(text, 24, "?");
    else if (seconds < 600)
        snprintf(text, 24, "%.0f s", seconds);
    else if (seconds < 12000)
        snprintf(text, 24, "%.0f min", seconds / 60);
    else
        snprintf(text, 24, "%.1f h", seconds / 3600);
}

/* Rounded up: a part of a MiB is not nothing. */
static void put_bytes(char text[24], int64_t bytes)
{
    const double mib = (double)bytes / 1048576;
    if (mib < 10000)
        snprintf(text, 24, "%.0f MiB", mib + 0.499);
    else
        snprintf(text, 24, "%.1f GiB", mib / 1024);
}

static void add_pictures(const Plan *p, Text *out, Error *e)
{
    static const char *const names[ANSWERERS] = {[STUDENT] = "student", [TEACHER] = "teacher"};
    const PlanPictures *k = &p->pictures;
    if (p->items.count)
        text_format(out, e, "pictures: %lld can be read, %lld are missing or cannot, %lld have other formats",
                    (long long)k->readable, (long long)k->skipped, (long long)k->foreign);
    if (p->items.count && k->duplicates >= 0)
        text_format(out, e, "; %lld have the bytes of another, %lld are turned by EXIF (image.exif)",
                    (long long)k->duplicates, (long long)k->turned);
    text_add(out, p->items.count ? "\n" : "", e);
    for (int who = ANSWERERS; who-- > 0;) {
        const PlanTokens *t = p->tokens + who;
        if (t->looked)
            text_format(out, e,
                        "tokens per picture, %s: %lld at least, %lld in the middle, %lld at most (%lld "
                        "pictures looked at)\n",
                        names[who], (long long)t->least, (long long)t->median, (long long)t->most,
                        (long long)t->looked);
    }
}

/* Where the counts come from that are not known yet. */
static void add_assumptions(const Plan *p, Text *out, Error *e)
{
    if (!p->annotations_known && p->asked)
        text_format(out, e, "tried: %lld of %lld annotations hold question and answer\n", (long long)p->tries,
                    (long long)p->asked);
    if (!p->pairs_known && p->measure && p->tries)
        text_format(out, e, "tried: %lld of %lld annotations are kept\n", (long long)p->confirmed,
                    (long long)p->tries);
    else if (!p->pairs_known && p->annotations)
        text_add(out, "assumed: half of the annotations are kept\n", e);
}

static void add_row(const char *name, const char *work, double seconds, int64_t memory, int64_t disk,
                    Text *out, Error *e)
{
    char time[24];
    char bytes[24];
    char files[24];
    put_time(time, seconds);
    put_bytes(bytes, memory);
    put_bytes(files, disk);
    text_format(out, e, "  %-18s %10s %11s %11s  %s\n", name, time, bytes, files, work);
}

static void add_table(const Plan *p, Text *out, Error *e)
{
    double seconds = 0;
    int64_t memory = 0;
    int64_t disk = 0;
    if (!p->rows)
        return;
    text_format(out, e, "  %-18s %10s %11s %11s  %s\n", "stage", "time", "memory", "disk", "work");
    for (int i = 0; i < p->rows; i++) {
        const PlanRow *r = p->row + i;
        add_row(r->name, r->work, r->seconds, r->memory, r->disk, out, e);
        seconds = r->seconds < 0 || seconds < 0 ? -1 : seconds + r->seconds;
        memory = r->memory > memory ? r->memory : memory;
        disk += r->disk;
    }
    add_row("in all", p->measure ? "" : "(mpa plan CONF measures the times)", seconds, memory, disk, out, e);
}

/* INT64_MAX where the system does not say. */
static void put_available(char text[24], int64_t bytes)
{
    if (bytes != INT64_MAX)
        put_bytes(text, bytes);
    else
        snprintf(text, 24, "an unknown amount");
}

Status plan_text(const Plan *p, Text *out, Error *e)
{
    char memory[24];
    char disk[24];
    const int64_t room = (int64_t)job_memory(p->job); /* 0: the system does not say */
    put_available(memory, room ? room : INT64_MAX);
    put_available(disk, disk_room(p->job->folder).bytes);
    add_pictures(p, out, e);
    add_assumptions(p, out, e);
    add_table(p, out, e);
    text_format(out, e, "available: %s of memory, besides the mapped weights; %s of disk\n", memory, disk);
    return text_add(out, text_string(&p->refused), e);
}
