/* The page from top to bottom. Its policy forbids everything but its own style and pictures that stand in
 * it, so that even a text that got through would load and run nothing. */
#include "report/page.h"

#include "report/section.h"

static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src "
    "'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n"
    "<title>mpa: what was learned</title>\n<link rel=\"icon\" href=\"data:,\">\n<style>\n";

Status page_begin(Text *out, Error *e)
{
    text_add(out, head, e);
    for (int i = 0; page_style[i]; i++)
        text_add(out, page_style[i], e);
    return text_add(out, "</style>\n</head>\n<body>\n<main>\n", e);
}

Status page_end(Text *out, Error *e)
{
    return text_add(out, "</main>\n</body>\n</html>\n", e);
}

Status page_write(Text *out, const Record *records, int count, Error *e)
{
    static Section *const sections[] = {outcome_section,  funnel_section, learned_section,
                                        training_section, looked_section, gallery_section,
                                        list_section,     cost_section,   made_section};
    page_begin(out, e);
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
        sections[i](out, records, e);
        if (i == 0 && count > 1)
            versus_section(out, records, count, e);
    }
    return page_end(out, e);
}

/* The run is done: what hinders the maps does not make it fail. */
static Status add_heat(Record *r, int64_t pairs, Error *e)
{
    Error why = {0};
    if (e->status != OK)
        return e->status;
    record_heat(r, pairs, &why);
    if (why.status == INTERRUPTED)
        return error_take(e, &why);
    if (why.status != OK)
        log_warning(&r->job->log, "report.html has no heat maps: %s", why.text);
    return e->status;
}

Status page_of_run(const Job *j, int64_t heat, Error *e)
{
    Record r = {0};
    Text page = {0};
    if (e->status != OK)
        return e->status;
    record_read(&r, j, e);
    if (heat) /* a page of models at work */
        record_now(&r, e);
    add_heat(&r, heat, e);
    record_costs(&r, e);
    page_write(&page, &r, 1, e);
    job_write_text(j, "report.html", &page, e);
    record_close(&r);
    text_free(&page);
    return e->status;
}
