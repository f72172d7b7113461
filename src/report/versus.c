/* Runs beside each other: how ablations are read. The first one is A, the others B, C, ... */
#include "report/section.h"

#include "config/keys.h"
#include "data/metrics.h"

#include <math.h>
#include <string.h>

static const char *const score_name[] = {"student", "aligned", "teacher"};

/* Numbers stand below at the right, words at the left. */
static Status run_heads(Text *out, int count, bool numbers, Error *e)
{
    for (int i = 0; i < count; i++)
        text_format(out, e, "<th%s>%c</th>", numbers ? " class=\"n\"" : "", 'A' + i);
    return e->status;
}

static Status runs(Text *out, const Record *r, int count, Error *e)
{
    text_add(
        out,
        "<table class=\"list\"><thead><tr><th></th><th>configuration</th><th>run folder</th></tr></thead>\n",
        e);
    for (int i = 0; i < count; i++) {
        text_format(out, e, "<tr><th>%c</th>", 'A' + i);
        html_element(out, "td", r[i].job->config.path, e);
        html_element(out, "td", r[i].job->folder, e);
        text_add(out, "</tr>\n", e);
    }
    return text_add(out, "</table>\n", e);
}

/* -------------------------------------------------------------------------------------------- settings */

static Status settings(Text *out, const Record *r, int count, Error *e)
{
    text_add(out, "<table class=\"list\"><caption>settings that differ</caption><thead><tr><th>key</th>", e);
    run_heads(out, count, false, e);
    text_add(out, "</tr></thead>\n", e);
    for (int k = 0; config_keys[k].name && e->status == OK; k++) {
        const char *name = config_keys[k].name;
        const char *first = config_text(&r->job->config, name);
        bool differs = false;
        for (int i = 1; i < count; i++)
            differs |= strcmp(first, config_text(&r[i].job->config, name)) != 0;
        if (!differs || config_keys[k].field == offsetof(Config, run.dir))
            continue;
        text_format(out, e, "<tr><td><code>%s</code></td>", name);
        for (int i = 0; i < count; i++)
            html_element(out, "td", config_text(&r[i].job->config, name), e);
        text_add(out, "</tr>\n", e);
    }
    return text_add(out, "</table>\n", e);
}

/* ----------------------------------------------------------------------------------------------- scores */

static Status score_row(Text *out, const Record *r, int count, const char *model, const char *metric,
                        Error *e)
{
    bool known = false;
    for (int i = 0; i < count; i++)
        known |= json_object_get(json_object_get(r[i].scores, model), metric) != NULL;
    if (!known)
        return e->status;
    text_format(out, e, "<tr><td>%s, %s</td>", model, metric);
    for (int i = 0; i < count; i++) {
        const json_t *score = json_object_get(json_object_get(r[i].scores, model), metric);
        const json_t *interval =
            json_object_get(json_object_get(json_object_get(r[i].scores, "intervals"), model), metric);
        text_add(out, "<td class=\"n\">", e);
        if (score)
            text_format(out, e, "%.1f", json_number_value(score));
        if (json_array_size(interval) == 2)
            text_format(out, e, "<small>%.1f to %.1f</small>", json_number_value(json_array_get(interval, 0)),
                        json_number_value(json_array_get(interval, 1)));
        text_add(out, "</td>", e);
    }
    return text_add(out, "</tr>\n", e);
}

static Status kept_row(Text *out, const Record *r, int count, Error *e)
{
    text_add(out, "<tr><td>pairs kept</td>", e);
    for (int i = 0; i < count; i++) {
        const char *id;
        const json_t *line;
        int64_t kept = 0;
        json_object_foreach(r[i].audit, id, line) kept += record_kept(line);
        text_add(out, "<td class=\"n\">", e);
        html_count(out, kept, e);
        text_add(out, "</td>", e);
    }
    return text_add(out, "</tr>\n", e);
}

/* The test questions that two aligned students answered. */
typedef struct {
    int64_t count, only_a, only_b; /* in all, and those that only one has right */
} Answered;

static Answered answered(const Record *a, const Record *b, Error *e)
{
    Answered n = {0};
    const char *id;
    const json_t *row;
    json_object_foreach(a->test[MODEL_ALIGNED], id, row)
    {
        const Answer x = record_answer(a, MODEL_ALIGNED, id, e);
        const Answer y = record_answer(b, MODEL_ALIGNED, id, e);
        n.count += x.said && y.said;
        n.only_a += x.said && y.said && x.right && !y.right;
        n.only_b += x.said && y.said && !x.right && y.right;
    }
    return n;
}

/* Right answers of B over A in percent, d = (b - a) / n, with the interval d +- 1.96 s of a difference of paired
 * shares, s = sqrt(a + b - (b - a)^2 / n) / n (McNemar's numbers; Agresti, Categorical Data Analysis, 11.1). */
static Status difference(Text *out, const Answered *n, Error *e)
{
    const double count = (double)n->count;
    const double gain = (double)(n->only_b - n->only_a);
    const double half = 1.96 * sqrt((double)(n->only_a + n->only_b) - gain * gain / count) / count;
    text_format(out, e, "%+.1f<small>%+.1f to %+.1f</small>", 100 * gain / count, 100 * (gain / count - half),
                100 * (gain / count + half));
    text_format(out, e, "<small>only this run right: %lld</small><small>only A right: %lld</small>",
                (long long)n->only_b, (long long)n->only_a);
    return e->status;
}

static Status difference_row(Text *out, const Record *r, int count, Error *e)
{
    text_add(out, "<tr><td>aligned, mpa, over A\xE2\x80\x99s, with its 95&nbsp;% interval</td><td></td>", e);
    for (int i = 1; i < count; i++) {
        const Answered n = answered(r, r + i, e);
        text_add(out, "<td class=\"n\">", e);
        if (n.count)
            difference(out, &n, e);
        text_add(out, "</td>", e);
    }
    return text_add(out, "</tr>\n", e);
}

static Status scores(Text *out, const Record *r, int count, Error *e)
{
    text_add(out, "<table class=\"scores\"><caption>scores in percent</caption><thead><tr><th></th>", e);
    run_heads(out, count, true, e);
    text_add(out, "</tr></thead>\n", e);
    for (int m = 0; m < METRICS; m++)
        for (size_t i = 0; i < sizeof score_name / sizeof *score_name; i++)
            score_row(out, r, count, score_name[i], metrics[m].name, e);
    if (json_object_size(r->test[MODEL_ALIGNED]))
        difference_row(out, r, count, e);
    kept_row(out, r, count, e);
    return text_add(out, "</table>\n", e);
}

/* ------------------------------------------------------------------------------------ what differs, by id */

/* Each id of the runs' objects once, in their order: {id: the first row of that id}. */
static json_t *all_ids(const Record *r, int count, bool test, Error *e)
{
    json_t *ids = json_object();
    for (int i = 0; i < count; i++) {
        const char *id;
        json_t *row;
        json_object_foreach(test ? r[i].test[MODEL_ALIGNED] : r[i].audit, id, row)
        {
            if (!json_object_get(ids, id))
                json_put(ids, id, json_incref(row), e);
        }
    }
    return ids;
}

static bool kept_differs(const Record *r, int count, const char *id, Error *e)
{
    bool differs = false;
    const bool first = e->status == OK && record_kept(json_object_get(r->audit, id));
    for (int i = 1; i < count; i++)
        differs |= record_kept(json_object_get(r[i].audit, id)) != first;
    return differs;
}

static bool answer_differs(const Record *r, int count, const char *id, Error *e)
{
    const char *first = record_answer(r, MODEL_ALIGNED, id, e).said;
    bool differs = false;
    for (int i = 1; i < count; i++) {
        const char *other = record_answer(r + i, MODEL_ALIGNED, id, e).said;
        differs |= !first != !other || (first && strcmp(first, other));
    }
    return differs;
}

static Status kept_cells(Text *out, const Record *r, int count, const char *id, Error *e)
{
    for (int i = 0; i < count; i++) {
        const json_t *line = json_object_get(r[i].audit, id);
        text_format(out, e, "<td class=\"%s\">", record_kept(line) ? "kept" : "dropped");
        html_text(out, line ? text_in(line, "decision") : "not there", e);
        text_add(out, text_in(line, "decision") ? ": " : "", e);
        html_text(out, text_in(line, "reason"), e);
        text_add(out, "</td>", e);
    }
    return e->status;
}

static Status answer_cells(Text *out, const Record *r, int count, const char *id, Error *e)
{
    for (int i = 0; i < count; i++) {
        const Answer a = record_answer(r + i, MODEL_ALIGNED, id, e);
        text_format(out, e, "<td class=\"%s\">", !a.said ? "" : a.right ? "right" : "wrong");
        html_clipped(out, a.said ? a.said : "no answer", 240, e);
        text_add(out, "</td>", e);
    }
    return e->status;
}

/* A paged table of the ids on which the runs differ. */
static Status differences(Text *out, const Record *r, int count, bool test, Error *e)
{
    bool (*differs)(const Record *, int, const char *, Error *) = test ? answer_differs : kept_differs;
    json_t *ids = all_ids(r, count, test, e);
    Text head = {0};
    Pages p = {.out = out, .what = test ? "Answers that differ," : "Pairs that not all runs kept,"};
    const char *id;
    const json_t *row;
    text_add(&head,
             test ? "<th>id</th><th>question</th><th>label</th>"
                  : "<th>id</th><th>question</th><th>annotated</th>",
             e);
    run_heads(&head, count, false, e);
    p.head = text_string(&head);
    json_object_foreach(ids, id, row) p.count += differs(r, count, id, e);
    json_object_foreach(ids, id, row)
    {
        if (!differs(r, count, id, e))
            continue;
        pages_row(&p, e);
        text_add(out, "<tr>", e);
        html_element(out, "td", id, e);
        html_element(out, "td", text_in(row, test ? "GT_question" : "question"), e);
        html_element(out, "td", text_in(row, test ? "GT_answer" : "answer"), e);
        (test ? answer_cells : kept_cells)(out, r, count, id, e);
        text_add(out, "</tr>\n", e);
    }
    if (!p.count)
        text_add(out,
                 test ? "<p class=\"note\">The aligned students give the same answers.</p>\n"
                      : "<p class=\"note\">The runs keep the same pairs.</p>\n",
                 e);
    pages_end(&p, e);
    text_free(&head);
    json_decref(ids);
    return e->status;
}

Status versus_section(Text *out, const Record *records, int count, Error *e)
{
    text_add(out, "<section class=\"wide\">\n<h2>Runs beside each other</h2>\n", e);
    runs(out, records, count, e);
    settings(out, records, count, e);
    scores(out, records, count, e);
    differences(out, records, count, false, e);
    differences(out, records, count, true, e);
    return text_add(out, "<p class=\"note\">What follows is of run A.</p>\n</section>\n", e);
}
