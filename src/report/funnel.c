/* From pictures to kept pairs: one band per decision and reason of audit.jsonl, as wide as its count. */
#include "report/section.h"

#include "mpa/holdout.h"

enum { ROW = 44, WIDTH = 100 }; /* of the drawing, which is stretched to the height of the lines beside it */

/* {reason: count} of the pictures that were kept, or of the others. */
static json_t *reasons(const Record *r, bool kept, Error *e)
{
    json_t *counts = json_object();
    json_t *line;
    const char *id;
    json_object_foreach(r->audit, id, line)
    {
        const char *reason = text_in(line, "reason");
        if (reason && record_kept(line) == kept)
            json_put(counts, reason, json_integer(json_integer_value(json_object_get(counts, reason)) + 1),
                     e);
    }
    return counts;
}

/* A band from `from` to `from + width` at the left to the middle of a line at the right. */
static Status band(Text *out, bool kept, double from, double width, double line, Error *e)
{
    const double right = width * 0.9 < 1.5 ? 1.5 : width * 0.9;
    const double top = line - (right < ROW - 8 ? right : ROW - 8) / 2;
    const double bottom = line + (right < ROW - 8 ? right : ROW - 8) / 2;
    return text_format(
        out, e, "<path class=\"%s\" d=\"M4 %.2fC50 %.2f 50 %.2f %d %.2fV%.2fC50 %.2f 50 %.2f 4 %.2fZ\"/>",
        kept ? "kept" : "dropped", from, from, top, WIDTH, top, bottom, bottom, from + width, from + width);
}

static Status bands(Text *out, const json_t *groups, int64_t total, Error *e)
{
    const double height = (double)(ROW * json_array_size(groups));
    double from = 0;
    const json_t *g;
    size_t i;
    text_format(
        out, e,
        "<svg viewBox=\"0 0 %d %.0f\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><rect class=\"ink\" "
        "width=\"4\" height=\"%.0f\"/>",
        WIDTH, height, height);
    json_array_foreach(groups, i, g)
    {
        const double width = height * (double)json_integer_value(json_object_get(g, "count")) / (double)total;
        band(out, json_is_true(json_object_get(g, "kept")), from, width, ((double)i + 0.5) * ROW, e);
        from += width;
    }
    return text_add(out, "</svg>\n", e);
}

/* What the training did with the kept pairs. */
static Status after(Text *out, const Record *r, Error *e)
{
    const double part = holdout_part(r->job);
    int64_t held = 0;
    const json_t *line;
    const char *id;
    json_object_foreach(r->audit, id, line) held += record_kept(line) && part > 0 && holdout_has(part, id);
    if (json_array_size(r->steps)) {
        text_add(out, "<p class=\"note\">The student was trained on the kept pairs in ", e);
        html_count(out, (int64_t)json_array_size(r->steps), e);
        text_add(out, " steps", e);
        if (held) {
            text_add(out, ", but for ", e);
            html_count(out, held, e);
            text_add(out, " that were held out to measure the agreement with the teacher", e);
        }
        text_add(out, ".</p>\n", e);
    }
    return e->status;
}

static Status label(Text *out, const json_t *group, int64_t total, Error *e)
{
    const int64_t count = (int64_t)json_integer_value(json_object_get(group, "count"));
    const bool kept = json_is_true(json_object_get(group, "kept"));
    text_format(out, e, "<li%s><b>", kept ? " class=\"kept\"" : "");
    html_count(out, count, e);
    text_format(out, e, "</b> <span>%s<small>", kept ? "kept: " : "");
    html_text(out, text_in(group, "key"), e);
    return text_format(out, e, "</small></span><i>%.1f&nbsp;%%</i></li>\n",
                       100 * (double)count / (double)total);
}

Status funnel_section(Text *out, const Record *r, Error *e)
{
    const int64_t total = (int64_t)json_object_size(r->audit);
    json_t *groups = json_array();
    json_t *g;
    size_t i;
    for (int kept = 1; kept >= 0; kept--) {
        json_t *counts = reasons(r, kept, e);
        json_t *list = ranking(counts, e);
        json_array_foreach(list, i, g)
        {
            json_put(g, "kept", json_boolean(kept), e);
            json_append(groups, json_incref(g), e);
        }
        json_decref(list);
        json_decref(counts);
    }
    if (json_array_size(groups)) {
        text_add(out,
                 "<section>\n<h2>From pictures to pairs worth learning</h2>\n<div class=\"funnel\">\n<p><b>",
                 e);
        html_count(out, total, e);
        text_add(out, "</b>pictures</p>\n", e);
        bands(out, groups, total, e);
        text_add(out, "<ul>\n", e);
        json_array_foreach(groups, i, g) label(out, g, total, e);
        text_add(out, "</ul>\n</div>\n", e);
        after(out, r, e);
        text_add(out, "</section>\n", e);
    }
    json_decref(groups);
    return e->status;
}
