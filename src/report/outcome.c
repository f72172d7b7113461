/* The result: how far the aligned student has come on the way from the student to the teacher, from
 * scores.json. */
#include "report/section.h"

#include "data/metrics.h"
#include "mpa/holdout.h"

static const char *const score_name[MODELS] = {
    [MODEL_STUDENT] = "student", [MODEL_ALIGNED] = "aligned", [MODEL_TEACHER] = "teacher"};

static const json_t *score_of(const Record *r, const char *model, const char *metric)
{
    return json_object_get(json_object_get(r->scores, model), metric);
}

/* What scores.json says of an interval: [low, high], or NULL. */
static const json_t *pair_or_null(const json_t *interval)
{
    return json_array_size(interval) == 2 ? interval : NULL;
}

static const json_t *interval_of(const Record *r, const char *model, const char *metric)
{
    const json_t *of_model = json_object_get(json_object_get(r->scores, "intervals"), model);
    return pair_or_null(json_object_get(of_model, metric));
}

/* Of the share of the gap that was closed. */
static const json_t *closed_interval(const Record *r, const char *metric)
{
    const json_t *gap = json_object_get(json_object_get(r->scores, "intervals"), "gap");
    return pair_or_null(json_object_get(json_object_get(gap, metric), "closed"));
}

/* (aligned - student) / (teacher - student); false where one of them is not known, or there is no gap. */
static bool closed_share(const Record *r, const char *metric, double *share)
{
    double score[MODELS];
    bool known = true;
    for (int m = 0; m < MODELS; m++) {
        known &= score_of(r, score_name[m], metric) != NULL;
        score[m] = json_number_value(score_of(r, score_name[m], metric));
    }
    const double gap = score[MODEL_TEACHER] - score[MODEL_STUDENT];
    *share = known && gap > 0 ? (score[MODEL_ALIGNED] - score[MODEL_STUDENT]) / gap : 0;
    return known && gap > 0;
}

static double bound(const json_t *interval, size_t i)
{
    return json_number_value(json_array_get(interval, i));
}

static bool is_agreement(const Record *r)
{
    return json_object_get(r->scores, "agreement_with_teacher");
}

/* ------------------------------------------------------------------------------------- the sentence */

static Status headline(Text *out, const Record *r, Error *e)
{
    const char *metric = metrics[METRIC_MPA].name;
    double share;
    const bool closed = closed_share(r, metric, &share);
    text_add(out, "<h1>", e);
    if (closed && share > 0.005)
        text_format(out, e, "%.0f&nbsp;%% of the gap to the teacher %s closed", 100 * share,
                    is_agreement(r) ? "in agreement was" : "was");
    else if (closed)
        text_add(out, "The gap to the teacher was not closed", e);
    else if (json_object_size(r->scores))
        text_add(out, "What the models answer", e);
    else
        text_add(out, "A run that is not scored yet", e);
    return text_add(out, "</h1>\n", e);
}

static Status say_score(Text *out, const Record *r, int model, const char *words, Error *e)
{
    const json_t *score = score_of(r, score_name[model], metrics[METRIC_MPA].name);
    if (score)
        text_format(out, e, "%s <b>%.1f&nbsp;%%</b>", words, json_number_value(score));
    return e->status;
}

/* How many pairs the student was trained on. */
static Status trained(Text *out, const Record *r, Error *e)
{
    const double part = holdout_part(r->job);
    int64_t pairs = 0;
    const json_t *line;
    const char *id;
    json_object_foreach(r->audit, id, line) pairs +=
        record_kept(line) && !(part > 0 && holdout_has(part, id));
    if (!pairs || !json_array_size(r->steps))
        return e->status;
    text_add(out, " It was trained on ", e);
    html_count(out, pairs, e);
    text_add(out, " pairs of question and answer that the teacher wrote", e);
    return text_add(
        out, r->job->config.identify.select == SELECT_PARITY ? " and only the teacher gets right." : ".", e);
}

/* What was asked, and what came out. */
static Status sentence(Text *out, const Record *r, Error *e)
{
    const int64_t questions = (int64_t)json_object_size(r->test[MODEL_STUDENT]);
    text_add(out, "<p class=\"lead\">", e);
    if (json_object_size(r->scores)) {
        text_add(out, "Of ", e);
        if (questions)
            html_count(out, questions, e);
        text_format(out, e, " %s",
                    is_agreement(r) ? "questions about pictures kept from training, the student "
                                      "answers"
                                    : "test questions the student answers");
        say_score(out, r, MODEL_STUDENT, "", e);
        text_add(out, is_agreement(r) ? " as the teacher does" : " right", e);
        say_score(out, r, MODEL_ALIGNED, ", the aligned student", e);
        say_score(out, r, MODEL_TEACHER, ", the teacher", e);
        text_add(out, ".", e);
    }
    trained(out, r, e);
    return text_add(out, "</p>\n", e);
}

static Status caution(Text *out, const Record *r, Error *e)
{
    if (!is_agreement(r))
        return e->status;
    return text_add(
        out,
        "<p class=\"caution\"><b>Agreement with the teacher, not truth.</b> There were no labels: "
        "the right answer is taken to be the one that the teacher annotated and confirmed. Where the "
        "teacher is wrong, agreeing with it counts as right.</p>\n",
        e);
}

static Status left_out(Text *out, const Record *r, Error *e)
{
    const json_t *name;
    size_t i;
    if (!json_array_size(r->left_out))
        return e->status;
    text_add(out, "<p class=\"caution\">Not true any more, and left out until the run is made anew:", e);
    json_array_foreach(r->left_out, i, name)
        text_format(out, e, "%s %s", i ? "," : "", json_string_value(name));
    return text_add(out, ".</p>\n", e);
}

/* --------------------------------------------------------------------------------- table and bars */

static Status score_cell(Text *out, const Record *r, const char *model, const char *metric, Error *e)
{
    const json_t *score = score_of(r, model, metric);
    const json_t *interval = interval_of(r, model, metric);
    if (!score)
        return text_add(out, "<td class=\"n\">\xE2\x80\x93</td>", e);
    text_format(out, e, "<td class=\"n\">%.1f", json_number_value(score));
    if (interval)
        text_format(out, e, "<small>%.1f to %.1f</small>", bound(interval, 0), bound(interval, 1));
    return text_add(out, "</td>", e);
}

/* The share of the gap that was closed, by one metric. */
static Status gap_cell(Text *out, const Record *r, const char *metric, Error *e)
{
    const json_t *interval = closed_interval(r, metric);
    double share;
    if (!closed_share(r, metric, &share))
        return text_add(out, "<td class=\"n\">\xE2\x80\x93</td>", e);
    text_format(out, e, "<td class=\"n\">%.0f&nbsp;%%", 100 * share);
    if (interval)
        text_format(out, e, "<small>%.0f to %.0f&nbsp;%%</small>", 100 * bound(interval, 0),
                    100 * bound(interval, 1));
    return text_add(out, "</td>", e);
}

static bool has_metric(const Record *r, const char *metric)
{
    bool has = score_of(r, "predictions", metric) != NULL;
    for (int m = 0; m < MODELS; m++)
        has |= score_of(r, score_name[m], metric) != NULL;
    return has;
}

static Status table(Text *out, const Record *r, Error *e)
{
    const bool other = json_object_get(r->scores, "predictions") != NULL;
    text_format(out, e,
                "<table class=\"scores\"><caption>%s</caption><thead><tr><th>metric</th>%s</tr></thead>\n",
                is_agreement(r) ? "agreement with the teacher in percent" : "accuracy in percent",
                other ? "<th class=\"n\">predictions</th>"
                      : "<th class=\"n\">student</th><th class=\"n\">aligned</th><th class=\"n\">teacher</th>"
                        "<th class=\"n\">gap closed</th>");
    for (int m = 0; m < METRICS && e->status == OK; m++) {
        const char *metric = metrics[m].name;
        if (!has_metric(r, metric))
            continue;
        text_format(out, e, "<tr><th>%s</th>", metric);
        for (int i = 0; i < MODELS && !other; i++)
            score_cell(out, r, score_name[i], metric, e);
        if (other)
            score_cell(out, r, "predictions", metric, e);
        else
            gap_cell(out, r, metric, e);
        text_add(out, "</tr>\n", e);
    }
    return text_add(out, "</table>\n", e);
}

/* A bar of 1000 units, and its interval as a line. */
static Status bar(Text *out, const Record *r, int model, const char *metric, Error *e)
{
    const json_t *score = score_of(r, score_name[model], metric);
    const json_t *interval = interval_of(r, score_name[model], metric);
    if (!score)
        return e->status;
    text_format(out, e,
                "<div class=\"bar\"><span>%s</span><svg viewBox=\"0 0 1000 20\" preserveAspectRatio=\"none\" "
                "aria-hidden=\"true\"><rect class=\"track\" width=\"1000\" height=\"20\"/><rect class=\"%s\" "
                "width=\"%.1f\" height=\"20\"/>",
                model_title[model], score_name[model], 10 * json_number_value(score));
    if (interval)
        text_format(out, e, "<path class=\"whisker\" d=\"M%.1f 10H%.1fM%.1f 4V16M%.1f 4V16\"/>",
                    10 * bound(interval, 0), 10 * bound(interval, 1), 10 * bound(interval, 0),
                    10 * bound(interval, 1));
    return text_format(out, e, "</svg><b>%.1f</b></div>\n", json_number_value(score));
}

static Status bars(Text *out, const Record *r, Error *e)
{
    text_add(out, "<div class=\"bars\">\n", e);
    for (int m = 0; m < METRICS && e->status == OK; m++) {
        if (!has_metric(r, metrics[m].name) || json_object_get(r->scores, "predictions"))
            continue;
        text_format(out, e, "<h3>%s</h3>\n", metrics[m].name);
        for (int i = 0; i < MODELS; i++)
            bar(out, r, i, metrics[m].name, e);
    }
    return text_add(out, "</div>\n", e);
}

Status outcome_section(Text *out, const Record *r, Error *e)
{
    text_add(out, "<header>\n<p class=\"kicker\">mpa ", e);
    html_text(out, r->job->version, e);
    text_add(out, " \xC2\xB7 Model Parity Aligner \xC2\xB7 task ", e);
    html_text(out, r->job->config.data.task, e);
    text_add(out, "</p>\n", e);
    headline(out, r, e);
    sentence(out, r, e);
    caution(out, r, e);
    left_out(out, r, e);
    text_add(out, "</header>\n", e);
    if (!json_object_size(r->scores))
        return e->status;
    text_add(out, "<section class=\"two\">\n<div>\n", e);
    table(out, r, e);
    text_add(
        out,
        "<p class=\"note\">mpa is the published rule: an answer is right if the most frequent label, both "
        "without case, spaces and marks, stands in it. Gap closed: (aligned \xE2\x88\x92 student) / (teacher "
        "\xE2\x88\x92 student)",
        e);
    text_format(out, e, "%s.</p>\n</div>\n",
                json_object_get(r->scores, "intervals") ? "; ranges are 95&nbsp;% intervals" : "");
    bars(out, r, e);
    return text_add(out, "</section>\n", e);
}
