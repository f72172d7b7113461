/* Everything, in words: closed parts of some hundred rows, so that a page of ten thousand pictures opens at
 * once. */
#include "report/section.h"

enum { PAGE = 200 };

static Status range(Text *out, const Pages *p, Error *e)
{
    const int64_t last = p->at + PAGE < p->count ? p->at + PAGE : p->count;
    text_format(out, e, "<details><summary>%s ", p->what);
    html_count(out, p->at + 1, e);
    text_add(out, " to ", e);
    html_count(out, last, e);
    text_add(out, " of ", e);
    html_count(out, p->count, e);
    return text_format(out, e, "</summary>\n<table class=\"list\"><thead><tr>%s</tr></thead>\n", p->head);
}

Status pages_row(Pages *p, Error *e)
{
    if (p->at && p->at % PAGE == 0)
        text_add(p->out, "</table></details>\n", e);
    if (p->at % PAGE == 0)
        range(p->out, p, e);
    p->at++;
    return e->status;
}

Status pages_end(Pages *p, Error *e)
{
    return text_add(p->out, p->at ? "</table></details>\n" : "", e);
}

static Status pictures(Text *out, const Record *r, Error *e)
{
    Pages p = {
        out, "Pictures",
        "<th>id</th><th>question</th><th>annotated</th><th>student</th><th>teacher</th><th>decision</th>",
        (int64_t)json_object_size(r->audit), 0};
    const char *id;
    const json_t *l;
    json_object_foreach(r->audit, id, l)
    {
        pages_row(&p, e);
        text_add(out, "<tr>", e);
        html_element(out, "td", id, e);
        html_element(out, "td", text_in(l, "question"), e);
        html_element(out, "td", text_in(l, "answer"), e);
        html_element(out, "td", text_in(l, "student"), e);
        html_element(out, "td", text_in(l, "teacher"), e);
        text_format(out, e, "<td class=\"%s\">", record_kept(l) ? "kept" : "dropped");
        html_text(out, text_in(l, "decision"), e);
        text_add(out, text_in(l, "decision") ? ": " : "", e);
        html_text(out, text_in(l, "reason"), e);
        text_add(out, "</td></tr>\n", e);
    }
    return pages_end(&p, e);
}

static Status tests(Text *out, const Record *r, Error *e)
{
    Pages p = {
        out, "Test questions",
        "<th>id</th><th>question</th><th>label</th><th>student</th><th>aligned</th><th>teacher</th><th></th>",
        (int64_t)json_object_size(r->test[MODEL_STUDENT]), 0};
    const char *id;
    const json_t *row;
    json_object_foreach(r->test[MODEL_STUDENT], id, row)
    {
        const int change = change_of(r, id, e);
        pages_row(&p, e);
        text_add(out, "<tr>", e);
        html_element(out, "td", id, e);
        html_element(out, "td", text_in(row, "GT_question"), e);
        html_element(out, "td", text_in(row, "GT_answer"), e);
        for (int m = 0; m < MODELS; m++) {
            const Answer a = record_answer(r, m, id, e);
            text_format(out, e, "<td class=\"%s\">", !a.said ? "" : a.right ? "right" : "wrong");
            html_clipped(out, a.said, 240, e);
            text_add(out, "</td>", e);
        }
        text_format(out, e, "<td>%s</td></tr>\n", change < 0 ? "" : change_name[change]);
    }
    return pages_end(&p, e);
}

Status list_section(Text *out, const Record *r, Error *e)
{
    if (!json_object_size(r->audit) && !json_object_size(r->test[MODEL_STUDENT]))
        return e->status;
    text_add(out, "<section class=\"wide\" id=\"all\">\n<h2>All of them</h2>\n", e);
    tests(out, r, e);
    pictures(out, r, e);
    return text_add(
        out,
        "<p class=\"note\"><code>mpa explain</code> CONF ID tells everything that happened to one "
        "picture.</p>\n</section>\n",
        e);
}
