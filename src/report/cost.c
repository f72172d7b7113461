/* What the run has cost, stage by stage, from costs.jsonl. */
#include "report/section.h"

#include "job/cost.h"
#include "mpa/stage.h"

static double number(const json_t *o, const char *key)
{
    return json_number_value(json_object_get(o, key));
}

/* A cell with a count, or a dash for none. */
static Status count_cell(Text *out, double count, Error *e)
{
    text_add(out, "<td class=\"n\">", e);
    if (count > 0)
        html_count(out, (int64_t)count, e);
    else
        text_add(out, "&ndash;", e);
    return text_add(out, "</td>", e);
}

/* A time as one reads it: 12.3 s, 4 min 05 s, 3 h 20 min. */
static Status time_cell(Text *out, double seconds, Error *e)
{
    const double minute = 60;
    const double hour = 3600;
    const int64_t whole = (int64_t)(seconds + 0.5);
    if (seconds < minute)
        return text_format(out, e, "<td class=\"n\">%.1f&nbsp;s</td>", seconds);
    if (seconds < hour)
        return text_format(out, e, "<td class=\"n\">%lld&nbsp;min %02lld&nbsp;s</td>",
                           (long long)(whole / 60), (long long)(whole % 60));
    return text_format(out, e, "<td class=\"n\">%lld&nbsp;h %02lld&nbsp;min</td>", (long long)(whole / 3600),
                       (long long)(whole % 3600 / 60));
}

static Status bytes_cell(Text *out, double bytes, Error *e)
{
    const double mib = 1048576;
    const double many = 10240;
    if (bytes / mib < many)
        return text_format(out, e, "<td class=\"n\">%.0f&nbsp;MiB</td>", bytes / mib);
    return text_format(out, e, "<td class=\"n\">%.1f&nbsp;GiB</td>", bytes / mib / 1024);
}

static Status row(Text *out, const char *name, const json_t *c, Error *e)
{
    text_format(out, e, "<tr><th>%s</th>", name);
    time_cell(out, number(c, "seconds"), e);
    count_cell(out, number(c, "prompt_tokens"), e);
    count_cell(out, number(c, "answer_tokens"), e);
    bytes_cell(out, number(c, "peak_bytes"), e);
    bytes_cell(out, number(c, "read_bytes"), e);
    count_cell(out, number(c, "threads"), e);
    count_cell(out, number(c, "parts"), e);
    return text_add(out, "</tr>\n", e);
}

static Status note(Text *out, const json_t *total, Error *e)
{
    text_add(
        out,
        "<p class=\"note\">All work in this run folder, by every process that took part, what was done "
        "anew too. Tokens read are those of prompts, the pictures&rsquo; among them; tokens written are "
        "answers, in <i>level</i> those that were learned. Memory is the most that one process held. Read "
        "from disk is what the machine&rsquo;s file cache did not hold.",
        e);
    if (number(total, "cut") > 0)
        text_format(
            out, e,
            " %.0f of the %.0f parts were killed, and lack their last seconds (at most 20, or one group).",
            number(total, "cut"), number(total, "parts"));
    return text_add(out, "</p>\n", e);
}

Status cost_section(Text *out, const Record *r, Error *e)
{
    if (!json_object_size(r->costs))
        return e->status;
    const json_t *total = json_object_get(r->costs, COST_ALL);
    text_add(out,
             "<section>\n<h2>What it cost</h2>\n<div class=\"scroll\"><table "
             "class=\"costs\"><thead><tr><th>stage</th>"
             "<th class=\"n\">time</th><th class=\"n\">tokens read</th><th class=\"n\">tokens written</th>"
             "<th class=\"n\">peak memory</th><th class=\"n\">read from disk</th><th "
             "class=\"n\">threads</th><th class=\"n\">parts</th></tr>"
             "</thead>\n",
             e);
    for (int i = 0; i < STAGES; i++) {
        const json_t *c = json_object_get(r->costs, stages[i]->name);
        if (c)
            row(out, stages[i]->name, c, e);
    }
    row(out, COST_ALL, total, e);
    text_add(out, "</table></div>\n", e);
    note(out, total, e);
    return text_add(out, "</section>\n", e);
}
