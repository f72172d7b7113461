/* Pictures with what was said about them: of each decision and reason, and of each change in the test, a few
 * from the whole list. */
#include "report/section.h"

#include "data/match.h"
#include "mpa/holdout.h"

enum { CARDS = 12, WORDS = 160 };

/* One line of a card: who said what, and whether that is right. */
static Status line(Text *out, const char *who, const char *words, const bool *right, Error *e)
{
    text_format(out, e, "<dt>%s</dt><dd%s>", who,
                !right   ? ""
                : *right ? " class=\"right\""
                         : " class=\"wrong\"");
    html_clipped(out, words ? words : "no answer", WORDS, e);
    return text_add(out, "</dd>", e);
}

static Status card_start(Text *out, const Record *r, const PictureSource *source, const char *image,
                         const char *question, Error *e)
{
    text_add(out, "<article>", e);
    thumbnail(out, source, image, r->job->config.image.exif, e);
    text_add(out, "<h4>", e);
    html_clipped(out, question ? question : "no question", WORDS, e);
    return text_add(out, "</h4><dl>", e);
}

/* ------------------------------------------------------------------------------ pictures of the training */

static Status said_line(Text *out, const json_t *l, const char *who, Error *e)
{
    const json_t *normal = json_object_get(l, "normalised");
    const char *answer = text_in(normal, "answer");
    const char *words = text_in(normal, who);
    const bool right = answer && *answer && words && match_contains(answer, words);
    return line(out, who, text_in(l, who), text_in(l, who) ? &right : NULL, e);
}

/* What the aligned student says. */
static Status now_line(Text *out, const Record *r, const char *id, const json_t *l, Error *e)
{
    const char *words = text_in(r->now, id);
    const char *answer = text_in(l, "answer");
    if (!words)
        return e->status;
    const bool right = answer && *answer && match_right(answer, words, e);
    return line(out, "aligned", words, answer ? &right : NULL, e);
}

/* The loss of the pair in the first and the last epoch. */
static Status loss_line(Text *out, const Record *r, const char *id, Error *e)
{
    const json_t *losses = json_object_get(r->losses, id);
    const size_t n = json_array_size(losses);
    if (!n)
        return e->status;
    return text_format(out, e, "<dt>loss</dt><dd>%.3g in the first epoch, %.3g in the last</dd>",
                       json_number_value(json_array_get(losses, 0)),
                       json_number_value(json_array_get(losses, n - 1)));
}

static Status picture_card(Text *out, const Record *r, const char *id, const json_t *l, Error *e)
{
    const PictureSource source = picture_source_data(&r->job->config);
    card_start(out, r, &source, text_in(l, "image_path"), text_in(l, "question"), e);
    line(out, "annotated", text_in(l, "answer") ? text_in(l, "answer") : "no answer", NULL, e);
    said_line(out, l, "student", e);
    said_line(out, l, "teacher", e);
    now_line(out, r, id, l, e);
    loss_line(out, r, id, e);
    text_add(out, "</dl><p>", e);
    html_text(out, text_in(l, "decision"), e);
    text_add(out, ": ", e);
    html_text(out, text_in(l, "reason"), e);
    text_add(out, "<small>id ", e);
    html_clipped(out, id, WORDS, e);
    return text_add(out, "</small></p></article>\n", e);
}

/* ---------------------------------------------------------------------------------------- test questions */

static Status test_card(Text *out, const Record *r, const char *id, const json_t *row, Error *e)
{
    const PictureSource source = holdout_pictures(&r->job->config);
    card_start(out, r, &source, text_in(row, "image_path"), text_in(row, "GT_question"), e);
    line(out, "label", text_in(row, "GT_answer"), NULL, e);
    for (int m = 0; m < MODELS; m++) {
        const Answer a = record_answer(r, m, id, e);
        if (a.said)
            line(out, m == MODEL_ALIGNED ? "aligned" : model_title[m], a.said, &a.right, e);
    }
    text_format(out, e, "</dl><p>%s<small>id ", change_name[change_of(r, id, e)]);
    html_clipped(out, id, WORDS, e);
    return text_add(out, "</small></p></article>\n", e);
}

/* --------------------------------------------------------------------------------------------- the groups */

/* Some of the ids, as far from each other as can be. Owned reference. */
static json_t *chosen(const json_t *ids, Error *e)
{
    json_t *some = json_array();
    const size_t n = json_array_size(ids);
    for (size_t i = 0; i < CARDS && i < n; i++)
        json_append(some, json_incref(json_array_get(ids, n < CARDS ? i : i * n / CARDS)), e);
    return some;
}

/* A title, and cards of some of the ids. */
static Status group(Text *out, const Record *r, const char *title, const json_t *ids, const json_t *rows,
                    bool test, Error *e)
{
    const size_t n = json_array_size(ids);
    if (!n)
        return e->status;
    text_add(out, "<h3>", e);
    html_text(out, title, e);
    text_add(out, " <small>", e);
    html_count(out, n < CARDS ? (int64_t)n : CARDS, e);
    text_add(out, " of ", e);
    html_count(out, (int64_t)n, e);
    text_add(out, "; <a class=\"more\" href=\"#all\">all of them</a></small></h3>\n<div class=\"cards\">\n",
             e);
    json_t *some = chosen(ids, e);
    for (size_t i = 0; i < json_array_size(some) && e->status == OK; i++) {
        const char *id = json_string_value(json_array_get(some, i));
        const json_t *row = json_object_get(rows, id);
        if (test)
            test_card(out, r, id, row, e);
        else
            picture_card(out, r, id, row, e);
    }
    json_decref(some);
    return text_add(out, "</div>\n", e);
}

/* Puts the id into the list of that name. */
static Status put_into(json_t *lists, const char *name, const char *id, Error *e)
{
    if (!json_object_get(lists, name))
        json_put(lists, name, json_array(), e);
    return json_append(json_object_get(lists, name), json_string(id), e);
}

static json_t *pictures_by_decision(const Record *r, Error *e)
{
    json_t *lists = json_object();
    Text name = {0};
    const char *id;
    const json_t *l;
    json_object_foreach(r->audit, id, l)
    {
        if (!text_in(l, "decision") || !text_in(l, "reason"))
            continue;
        text_clear(&name);
        text_format(&name, e, "Pictures %s: %s", text_in(l, "decision"), text_in(l, "reason"));
        put_into(lists, text_string(&name), id, e);
    }
    text_free(&name);
    return lists;
}

static json_t *tests_by_change(const Record *r, Error *e)
{
    json_t *lists = json_object();
    const char *id;
    const json_t *row;
    put_into(lists, "Learned: test questions that are right now", "", e);
    json_array_clear(json_object_get(lists, "Learned: test questions that are right now"));
    json_object_foreach(r->test[MODEL_STUDENT], id, row)
    {
        const int change = change_of(r, id, e);
        if (change == IS_RIGHT)
            put_into(lists, "Learned: test questions that are right now", id, e);
        else if (change == WAS_RIGHT)
            put_into(lists, "Lost: test questions that are wrong now", id, e);
    }
    return lists;
}

Status record_now(Record *r, Error *e)
{
    json_t *pictures = pictures_by_decision(r, e);
    json_t *ids = json_array();
    const char *title;
    const json_t *list;
    Error why = {0};
    json_object_foreach(pictures, title, list)
    {
        json_t *some = chosen(list, e);
        json_array_extend(ids, some);
        json_decref(some);
    }
    if (e->status == OK)
        r->now = aligned_answers(r->job, r->audit, ids, &why);
    if (why.status == INTERRUPTED)
        error_take(e, &why);
    else if (why.status != OK)
        log_warning(&r->job->log, "report.html lacks what the aligned student says now: %s", why.text);
    json_decref(ids);
    json_decref(pictures);
    return e->status;
}

Status gallery_section(Text *out, const Record *r, Error *e)
{
    json_t *tests = tests_by_change(r, e);
    json_t *pictures = pictures_by_decision(r, e);
    const char *title;
    const json_t *ids;
    if (json_object_size(r->audit) || json_object_size(r->test[MODEL_STUDENT])) {
        text_add(out, "<section class=\"wide\">\n<h2>Some of the pictures</h2>\n", e);
        json_object_foreach(tests, title, ids) group(out, r, title, ids, r->test[MODEL_STUDENT], true, e);
        json_object_foreach(pictures, title, ids) group(out, r, title, ids, r->audit, false, e);
        text_add(out, "</section>\n", e);
    }
    json_decref(tests);
    json_decref(pictures);
    return e->status;
}
