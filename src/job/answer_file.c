/* Answers from a file: {question_id, predictions} rows, found by id. */
#include "job/answerer.h"

#include "data/items.h"

#include <string.h>

static Status check_row(const Json *j, size_t i, Error *e)
{
    const json_t *o = json_array_get(j->root, i);
    const json_t *text = json_object_get(o, "predictions");
    id_check(json_object_get(o, "question_id"), j->path, i, e);
    if (e->status == OK && text && !json_is_string(text) && !json_is_null(text)) /* absent counts as empty */
        error_set(e, BAD_INPUT, "%s: entry %zu: predictions: wanted a string or null, found %s", j->path, i,
                  json_kind(text));
    return e->status;
}

/* The rows by id. Owned reference; NULL after a failure. */
static json_t *rows_by_id(const Json *j, Error *e)
{
    json_t *all = json_object();
    for (size_t i = 0; i < json_array_size(j->root) && check_row(j, i, e) == OK; i++) {
        json_t *o = json_array_get(j->root, i);
        id_put(all, json_object_get(o, "question_id"), json_incref(o), e);
    }
    return all;
}

/* Whether the row answers the text. */
static bool is_answer_to(const Answerer *a, const json_t *row, const char *text)
{
    const char *question = a->question ? json_string_value(json_object_get(row, a->question)) : NULL;
    const size_t length = question ? strlen(question) : 0;
    return !question || (!strncmp(text, question, length) && !strcmp(text + length, a->suffix));
}

static Status answer_from_file(Answerer *a, const Questions *q, char **texts, Error *e)
{
    Json j;
    int64_t found = 0;
    job_read_list(&j, a->source, e);
    json_t *all = rows_by_id(&j, e);
    for (int64_t i = 0; i < q->count && e->status == OK; i++) {
        const json_t *row = json_object_get(all, q->id[i]);
        const char *text = json_string_value(json_object_get(row, "predictions"));
        if (row && is_answer_to(a, row, q->text[i])) {
            texts[i] = memory_copy(text ? text : "", e);
            found++;
        }
    }
    a->unmatched = q->count - found + (int64_t)json_object_size(all) - found;
    json_decref(all);
    json_close(&j);
    return e->status;
}

Answerer answerer_file(const char *path, const char *question, const char *suffix)
{
    return (Answerer){.answer = answer_from_file, .source = path, .question = question, .suffix = suffix};
}
