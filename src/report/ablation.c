/* The page of an ablation: a row for each variant with its scores on a line from 0 to 100 percent, and what of the
 * gap it closed, each with its 95 % interval. */
#include "report/page.h"

#include "data/metrics.h"
#include "report/html.h"
#include "report/section.h"

#include <ctype.h>
#include <math.h>

static double number(const json_t *list, size_t i)
{
    return json_number_value(json_array_get(list, i));
}

/* A score of one of the models that the variants start from; -1: none. */
static double score_of(const json_t *scores, const char *model, const char *metric)
{
    const json_t *v = json_object_get(json_object_get(scores, model), metric);
    return json_is_number(v) ? json_number_value(v) : -1;
}

static Status mark(Text *out, const char *kind, double percent, Error *e)
{
    if (percent < 0)
        return e->status;
    return text_format(out, e, "<rect class=\"%s\" x=\"%.1f\" y=\"1\" width=\"10\" height=\"18\"/>", kind,
                       9.9 * percent);
}

/* The student's and the teacher's scores as marks on a line, and the variant's with its interval. */
static Status line(Text *out, const json_t *cell, double student, double teacher, Error *e)
{
    const json_t *interval = json_object_get(cell, "interval");
    text_add(
        out,
        "<td class=\"way\"><svg viewBox=\"0 0 1000 20\" preserveAspectRatio=\"none\" aria-hidden=\"true\">"
        "<rect class=\"track\" y=\"8\" width=\"1000\" height=\"4\"/>",
        e);
    mark(out, "student", student, e);
    mark(out, "teacher", teacher, e);
    if (cell) {
        const double low = fmax(0, number(interval, 0));
        const double high = fmin(100, number(interval, 1));
        text_format(out, e, "<rect class=\"range\" x=\"%.1f\" y=\"5\" width=\"%.1f\" height=\"10\"/>",
                    10 * low, 10 * fmax(0, high - low));
        mark(out, "aligned", json_number_value(json_object_get(cell, "mean")), e);
    }
    return text_add(out, "</svg></td>", e);
}

static Status interval_cell(Text *out, double scale, const json_t *mean, const json_t *interval,
                            const char *unit, Error *e)
{
    const int digits = scale > 1 ? 0 : 1;
    if (!json_is_number(mean))
        return text_add(out, "<td class=\"n\">&ndash;</td>", e);
    text_format(out, e, "<td class=\"n\">%.*f%s", digits, scale * json_number_value(mean), unit);
    if (json_array_size(interval) == 2)
        text_format(out, e, " <small>%.*f to %.*f</small>", digits, scale * number(interval, 0), digits,
                    scale * number(interval, 1));
    return text_add(out, "</td>", e);
}

/* A path below the page's folder, as a link has it. */
static Status link_to(Text *out, const char *path, Error *e)
{
    for (const char *p = path; *p; p++)
        if (isalnum((unsigned char)*p) || *p == '-' || *p == '_' || *p == '.' || *p == '=')
            text_add_bytes(out, p, 1, e);
        else
            text_format(out, e, "%%%02X", (unsigned)(unsigned char)*p);
    return e->status;
}

static Status runs(Text *out, const json_t *row, Error *e)
{
    const json_t *name;
    size_t i;
    text_add(out, "<td>", e);
    json_array_foreach(json_object_get(row, "runs"), i, name)
    {
        text_add(out, i ? ", <a href=\"" : "<a href=\"", e);
        link_to(out, json_string_value(name), e);
        text_format(out, e, "/report.html\">%zu</a>", i + 1);
    }
    return text_add(out, "</td></tr>\n", e);
}

static Status variant_row(Text *out, const json_t *row, const char *metric, double student, double teacher,
                          Error *e)
{
    const json_t *cell = json_object_get(json_object_get(row, "scores"), metric);
    text_add(out, "<tr>", e);
    html_element(out, "th", text_in(row, "variant"), e);
    text_add(out, "<td class=\"n\">", e);
    html_count(out, (int64_t)(json_number_value(json_object_get(row, "pairs")) + 0.5), e);
    text_add(out, "</td>", e);
    interval_cell(out, 1, json_object_get(cell, "mean"), json_object_get(cell, "interval"), "", e);
    line(out, cell, student, teacher, e);
    interval_cell(out, 100, json_object_get(cell, "closed"), json_object_get(cell, "closed_interval"),
                  "&nbsp;%", e);
    return runs(out, row, e);
}

static Status model_row(Text *out, const char *name, double score, double student, double teacher, Error *e)
{
    if (score < 0)
        return e->status;
    text_format(out, e, "<tr><th>%s</th><td></td><td class=\"n\">%.1f</td>", name, score);
    line(out, NULL, student, teacher, e);
    return text_add(out, "<td></td><td></td></tr>\n", e);
}

static Status metric_table(Text *out, const json_t *base, const json_t *rows, const char *metric, Error *e)
{
    const double student = score_of(base, "student", metric);
    const double teacher = score_of(base, "teacher", metric);
    const json_t *row;
    size_t i;
    text_format(
        out, e,
        "<section>\n<h2>%s</h2>\n<div class=\"scroll\"><table class=\"variants\"><thead><tr><th>variant</th>"
        "<th class=\"n\">pairs</th><th class=\"n\">aligned student</th><th class=\"way\">0 to "
        "100&nbsp;%%</th>"
        "<th class=\"n\">gap closed</th><th>runs</th></tr></thead>\n",
        metric);
    model_row(out, "student", student, student, teacher, e);
    json_array_foreach(rows, i, row) variant_row(out, row, metric, student, teacher, e);
    model_row(out, "teacher", teacher, student, teacher, e);
    return text_add(out, "</table></div>\n</section>\n", e);
}

/* Whether a variant was scored by the metric. */
static bool has(const json_t *rows, const char *metric)
{
    const json_t *row;
    size_t i;
    json_array_foreach(rows, i, row)
    {
        if (json_object_get(json_object_get(row, "scores"), metric))
            return true;
    }
    return false;
}

Status ablation_write(Text *out, const json_t *base, const json_t *rows, int64_t seeds, Error *e)
{
    page_begin(out, e);
    text_add(out, "<header><p class=\"kicker\">mpa ablate</p>\n<h1>", e);
    html_count(out, (int64_t)json_array_size(rows), e);
    text_add(out, json_array_size(rows) == 1 ? " variant" : " variants", e);
    text_add(
        out,
        " of one run</h1>\n<p class=\"lead\">All learn from the same annotations and answers, and answer the "
        "same test questions. ",
        e);
    if (seeds > 1)
        text_format(
            out, e,
            "Each was trained with %lld seeds; scores are means, and ranges 95&nbsp;%% intervals of the mean "
            "over seeds (Student&rsquo;s t): how much it depends on chance in training, not on the choice of "
            "questions.",
            (long long)seeds);
    else
        text_add(out,
                 "Each was trained once; ranges are 95&nbsp;% bootstrap intervals over the test questions. "
                 "More seeds "
                 "(--seeds) tell how much of a difference is chance in training.",
                 e);
    text_add(
        out,
        "</p>\n<p class=\"note\">Accuracy in percent; grey mark: student, dark mark: teacher, blue: aligned "
        "student. Gap closed is (aligned&nbsp;&minus;&nbsp;student) / (teacher&nbsp;&minus;&nbsp;student). "
        "Runs "
        "are links to the reports of each seed.</p></header>\n",
        e);
    for (int m = 0; m < METRICS; m++)
        if (has(rows, metrics[m].name))
            metric_table(out, base, rows, metrics[m].name, e);
    return page_end(out, e);
}
