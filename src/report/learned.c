/* What was learned and what was lost: test questions, right or wrong by the published rule, before and after. */
#include "report/section.h"

#include <ctype.h>
#include <string.h>

enum { KINDS = 14, KIND_WORDS = 2 };

const char *const change_name[CHANGES] = {
    [0] = "never right", [WAS_RIGHT] = "lost", [IS_RIGHT] = "learned", [WAS_RIGHT | IS_RIGHT] = "kept right"};

int change_of(const Record *r, const char *id, Error *e)
{
    const Answer before = record_answer(r, MODEL_STUDENT, id, e);
    const Answer after = record_answer(r, MODEL_ALIGNED, id, e);
    if (!before.said || !after.said)
        return -1;
    return (before.right ? WAS_RIGHT : 0) | (after.right ? IS_RIGHT : 0);
}

/* ------------------------------------------------------------------------------------------ four cells */

static Status cell(Text *out, const int64_t *count, int change, Error *e)
{
    int64_t all = 0;
    for (int i = 0; i < CHANGES; i++)
        all += count[i];
    text_format(out, e, "<td class=\"c%d\"><b>", change);
    html_count(out, count[change], e);
    return text_format(out, e, "</b>%s<small>%.1f&nbsp;%%</small></td>", change_name[change],
                       100 * (double)count[change] / (double)all);
}

static Status cells(Text *out, const int64_t *count, Error *e)
{
    text_add(
        out,
        "<table class=\"cells\"><thead><tr><td></td><th>right after</th><th>wrong after</th></tr></thead>\n"
        "<tr><th>wrong before</th>",
        e);
    cell(out, count, IS_RIGHT, e);
    cell(out, count, 0, e);
    text_add(out, "</tr>\n<tr><th>right before</th>", e);
    cell(out, count, WAS_RIGHT | IS_RIGHT, e);
    cell(out, count, WAS_RIGHT, e);
    return text_add(out, "</tr></table>\n", e);
}

/* --------------------------------------------------------------------------------- kinds of questions */

/* Appends the first words, in lower case. */
static Status kind_of(Text *out, const char *question, Error *e)
{
    int words = 0;
    for (const char *p = question + strspn(question, " \n\t"); *p && e->status == OK; p++) {
        const bool space = strchr(" \n\t", *p) != NULL;
        words += space;
        if (words == KIND_WORDS)
            break;
        const char c = space ? ' ' : (char)tolower((unsigned char)*p);
        text_add_bytes(out, &c, 1, e);
    }
    return e->status;
}

static Status add_one(json_t *counts, const char *key, int64_t n, Error *e)
{
    return json_put(counts, key, json_integer(json_integer_value(json_object_get(counts, key)) + n), e);
}

/* A row, with before and after as marks on a line of 100 percent. */
static Status kind_row(Text *out, const char *kind, int64_t n, int64_t before, int64_t after, Error *e)
{
    const double from = 100 * (double)before / (double)n;
    const double to = 100 * (double)after / (double)n;
    text_add(out, "<tr><td>", e);
    html_clipped(out, kind, 40, e);
    text_add(out, "</td><td class=\"n\">", e);
    html_count(out, n, e);
    return text_format(
        out, e,
        "</td><td class=\"n\">%.0f</td><td class=\"n\">%.0f</td><td class=\"way\"><svg viewBox=\"0 0 "
        "1000 20\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><rect class=\"track\" y=\"8\" "
        "width=\"1000\" height=\"4\"/><rect class=\"%s\" x=\"%.1f\" y=\"7\" width=\"%.1f\" "
        "height=\"6\"/><rect class=\"student\" x=\"%.1f\" y=\"2\" width=\"10\" height=\"16\"/><rect "
        "class=\"aligned\" x=\"%.1f\" y=\"2\" width=\"10\" height=\"16\"/></svg></td></tr>\n",
        from, to, to < from ? "lost" : "learned", 9.9 * (to < from ? to : from),
        9.9 * (to < from ? from - to : to - from), 9.9 * from, 9.9 * to);
}

/* The most frequent kinds, then all others as one. */
static Status kind_rows(Text *out, const json_t *all, const json_t *before, const json_t *after, Error *e)
{
    json_t *list = ranking(all, e);
    int64_t rest[3] = {0};
    const json_t *k;
    size_t i;
    json_array_foreach(list, i, k)
    {
        const char *key = text_in(k, "key");
        const int64_t n[3] = {json_integer_value(json_object_get(k, "count")),
                              json_integer_value(json_object_get(before, key)),
                              json_integer_value(json_object_get(after, key))};
        if (i < KINDS)
            kind_row(out, key, n[0], n[1], n[2], e);
        for (int c = 0; c < 3; c++)
            rest[c] += i < KINDS ? 0 : n[c];
    }
    if (rest[0])
        kind_row(out, "all others", rest[0], rest[1], rest[2], e);
    json_decref(list);
    return e->status;
}

static Status kinds(Text *out, const Record *r, Error *e)
{
    json_t *all = json_object();
    json_t *before = json_object();
    json_t *after = json_object();
    Text kind = {0};
    const char *id;
    const json_t *row;
    json_object_foreach(r->test[MODEL_STUDENT], id, row)
    {
        const int change = change_of(r, id, e);
        if (change < 0 || !text_in(row, "GT_question"))
            continue;
        text_clear(&kind);
        text_add(&kind, "", e);
        kind_of(&kind, text_in(row, "GT_question"), e);
        add_one(all, text_string(&kind), 1, e);
        add_one(before, text_string(&kind), (change & WAS_RIGHT) != 0, e);
        add_one(after, text_string(&kind), (change & IS_RIGHT) != 0, e);
    }
    text_add(out,
             "<div><table class=\"kinds\"><thead><tr><th>first words</th><th class=\"n\">questions</th><th "
             "class=\"n\">before</th><th class=\"n\">after</th><th class=\"way\">0 to "
             "100&nbsp;%</th></tr></thead>\n",
             e);
    kind_rows(out, all, before, after, e);
    text_free(&kind);
    json_decref(all);
    json_decref(before);
    json_decref(after);
    return text_add(out,
                    "</table>\n<p class=\"note\">Percent right, grey before the training and blue "
                    "after.</p></div>\n",
                    e);
}

Status learned_section(Text *out, const Record *r, Error *e)
{
    int64_t count[CHANGES] = {0};
    int64_t known = 0;
    const char *id;
    const json_t *row;
    json_object_foreach(r->test[MODEL_STUDENT], id, row)
    {
        const int change = change_of(r, id, e);
        known += change >= 0;
        if (change >= 0)
            count[change]++;
    }
    if (!known)
        return e->status;
    text_add(out, "<section>\n<h2>What was learned</h2>\n<div class=\"two\">\n<div>\n", e);
    cells(out, count, e);
    text_add(out,
             "<p class=\"note\">Test questions by the student's answer before the training and after "
             "it.</p>\n</div>\n",
             e);
    kinds(out, r, e);
    return text_add(out, "</div>\n</section>\n", e);
}
