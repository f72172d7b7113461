/* Answers from a file: {question_id, predictions} rows, found by id. */
#include "job/answerer.h"

#include "data/items.h"

static Status check_row(const Json *j, size_t i, Error *e)
{
    const json_t *o = json_array_get(j->root, i);
    const json_t *id = json_object_get(o, "question_id");
    const json_t *text = json_object_get(o, "predictions");
    if (!json_is_integer(id) && !json_is_string(id))
        return error_set(e, BAD_INPUT, "%s: entry %zu: question_id: wanted an integer or a string, found %s",
                         j->path, i, json_kind(id));
    if (!json_is_string(text) && !json_is_null(text))
        return error_set(e, BAD_INPUT, "%s: entry %zu: predictions: wanted a string or null, found %s",
                         j->path, i, json_kind(text));
    return e->status;
}

/* The predictions by id. Owned reference; NULL after a failure. */
static json_t *predictions_by_id(const Json *j, Error *e)
{
    json_t *all = json_object();
    Text id = {0};
    for (size_t i = 0; i < json_array_size(j->root) && check_row(j, i, e) == OK; i++) {
        const json_t *o = json_array_get(j->root, i);
        const char *text = json_string_value(json_object_get(o, "predictions"));
        text_clear(&id);
        id_text(&id, json_object_get(o, "question_id"), e);
        json_put(all, text_string(&id), json_string(text ? text : ""), e);
    }
    text_free(&id);
    return all;
}

static Status answer_from_file(Answerer *a, const Questions *q, char **texts, Error *e)
{
    Json j;
    int64_t found = 0;
    job_read_list(&j, a->source, e);
    json_t *all = predictions_by_id(&j, e);
    for (int64_t i = 0; i < q->count && e->status == OK; i++) {
        const char *text = json_string_value(json_object_get(all, q->id[i]));
        if (text) {
            texts[i] = memory_copy(text, e);
            found++;
        }
    }
    a->unmatched = q->count - found + (int64_t)json_object_size(all) - found;
    json_decref(all);
    json_close(&j);
    return e->status;
}

Answerer answerer_file(const char *path)
{
    return (Answerer){.answer = answer_from_file, .source = path};
}
