/* The paper's table: student, aligned student, teacher, and how much of the gap is closed. */
#include "command/scores.h"

#include "base/printable.h"
#include "mpa/pairs.h"

#include <stdio.h>
#include <stdlib.h>

/* The list in a file of the run folder; its root is NULL where there is none. Owned: json_close. */
static Json read_list(const Job *j, const char *name, Error *e)
{
    Error unread = {0};
    Json list = {0};
    char *path = job_path(j, name, e);
    if (path)
        job_read_list(&list, path, &unread);
    error_take_memory(e, &unread);
    free(path);
    return list;
}

static Status print_counts(const Job *j, Error *e)
{
    Json annotations = read_list(j, "annotations.json", e);
    Json parity = read_list(j, "parity.json", e);
    const int64_t pictures = (int64_t)json_array_size(annotations.root);
    const int64_t parsed = annotations_whole(annotations.root);
    if (annotations.root)
        output("  pictures annotated  %lld, of which %lld parsed (%.1f %%)\n", (long long)pictures,
               (long long)parsed, pictures ? 100 * (double)parsed / (double)pictures : 0);
    if (parity.root)
        output("  pairs kept          %lld\n", (long long)json_array_size(parity.root));
    json_close(&annotations);
    json_close(&parity);
    return e->status;
}

/* " (low to high)" of an interval; nothing where there is none. */
static void print_interval(const json_t *interval, double unit, int digits)
{
    if (json_array_size(interval) == 2)
        output(" (%.*f to %.*f)", digits, unit * json_number_value(json_array_get(interval, 0)), digits,
               unit * json_number_value(json_array_get(interval, 1)));
}

static void print_row(const json_t *scores, const char *model, const char *title)
{
    json_t *o = json_object_get(scores, model);
    json_t *v;
    const char *name;
    if (!o)
        return;
    output("  %-18s", title);
    json_object_foreach(o, name, v)
    {
        const json_t *intervals = json_object_get(json_object_get(scores, "intervals"), model);
        output("  %s %5.1f", name, json_number_value(v));
        print_interval(json_object_get(intervals, name), 1, 1);
    }
    output("\n");
}

/* By the first metric that all three were scored by, which is the paper's unless that was left out. */
static void print_gap(const json_t *scores)
{
    json_t *all = json_object_get(scores, "gap");
    const json_t *gaps = json_object_get(json_object_get(scores, "intervals"), "gap");
    const char *metric = json_object_iter_key(json_object_iter(all));
    const json_t *gap = metric ? json_object_get(all, metric) : NULL;
    const json_t *closed = json_object_get(gap, "closed");
    if (!gap)
        return;
    output("  gap to the teacher  %.1f before, %.1f after", json_number_value(json_object_get(gap, "before")),
           json_number_value(json_object_get(gap, "after")));
    if (json_is_number(closed)) {
        output(": %.0f %% closed", 100 * json_number_value(closed));
        print_interval(json_object_get(json_object_get(gaps, metric), "closed"), 100, 0);
    }
    output("\n");
}

static void print_title(const Job *j, const json_t *scores)
{
    const json_t *held = json_object_get(scores, "agreement_with_teacher");
    if (held)
        output("AGREEMENT WITH THE TEACHER in percent, not truth: %lld questions about pictures that were "
               "held out "
               "(task %s)\n",
               (long long)json_integer_value(held), j->config.data.task);
    else
        output("accuracy in percent, with the 95 %% interval (task %s)\n", j->config.data.task);
}

Status scores_print(const Job *j, Error *e)
{
    Json scores;
    job_open_json(&scores, j->folder, "scores.json", e);
    if (scores.root) { /* else nothing could be scored */
        print_title(j, scores.root);
        print_row(scores.root, "student", "student");
        print_row(scores.root, "aligned", "aligned student");
        print_row(scores.root, "teacher", "teacher");
        print_row(scores.root, "predictions", "predictions");
        print_gap(scores.root);
        print_counts(j, e);
    }
    json_close(&scores);
    return e->status;
}
