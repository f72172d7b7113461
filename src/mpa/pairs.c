#include "mpa/pairs.h"

#include "base/memory.h"

#include <stdlib.h>

void pairs_free(Pairs *p)
{
    for (int64_t i = 0; i < p->count; i++) {
        free(p->pair[i].student);
        free(p->pair[i].teacher);
        for (int k = 0; k < 3; k++)
            text_free(&p->pair[i].normal[k]);
    }
    free(p->pair);
    json_close(&p->source);
    *p = (Pairs){0};
}

/* A field that is a string, or null where `may_be_null`. */
static Status field(const Json *j, size_t i, const json_t *o, const char *key, bool may_be_null,
                    const char **value, Error *e)
{
    const json_t *v = json_object_get(o, key);
    *value = json_string_value(v);
    if (*value || (may_be_null && json_is_null(v)))
        return OK;
    return error_set(e, BAD_INPUT, "%s: entry %zu: %s: wanted a string%s, found %s", j->path, i, key,
                     may_be_null ? " or null" : "", json_kind(v));
}

static Status read_pair(const Json *j, size_t i, Pair *p, const char *question, const char *answer, Error *e)
{
    const json_t *o = json_array_get(j->root, i);
    p->id = json_object_get(o, "question_id");
    if (!json_is_integer(p->id) && !json_is_string(p->id))
        return error_set(e, BAD_INPUT, "%s: entry %zu: question_id: wanted an integer or a string, found %s",
                         j->path, i, json_kind(p->id));
    field(j, i, o, "image_path", false, &p->image, e);
    field(j, i, o, question, true, &p->question, e);
    return field(j, i, o, answer, true, &p->answer, e);
}

Status pairs_read(Pairs *p, const char *path, const char *question, const char *answer, Error *e)
{
    if (stage_read_list(&p->source, path, e) != OK)
        return e->status;
    const Json *j = &p->source;
    size_t n = json_array_size(j->root);
    json_t *place = json_object();
    Text id = {0};
    p->pair = memory_new((int64_t)n, sizeof *p->pair, e);
    for (size_t i = 0; i < n && e->status == OK && p->pair; i++) {
        Pair read = {0};
        text_clear(&id);
        if (read_pair(j, i, &read, question, answer, e) != OK || !id_text(&id, read.id, e))
            break;
        const json_t *before = json_object_get(place, text_string(&id));
        int64_t at = before ? json_integer_value(before) : p->count++;
        p->pair[at] = read;
        json_put(place, text_string(&id), json_integer(at), e);
    }
    text_free(&id);
    json_decref(place);
    return e->status;
}

/* The `predictions` of a file of answers, from id as text; the last of a duplicate counts. Owned
 * reference. */
static json_t *predictions_by_id(const Json *j, Error *e)
{
    json_t *all = json_object();
    Text id = {0};
    for (size_t i = 0; i < json_array_size(j->root) && e->status == OK; i++) {
        const json_t *o = json_array_get(j->root, i), *v = json_object_get(o, "question_id");
        const char *text;
        text_clear(&id);
        if (!json_is_integer(v) && !json_is_string(v))
            error_set(e, BAD_INPUT, "%s: entry %zu: question_id: wanted an integer or a string, found %s",
                      j->path, i, json_kind(v));
        else if (field(j, i, o, "predictions", true, &text, e) == OK && id_text(&id, v, e))
            json_put(all, text_string(&id), json_string(text ? text : ""), e);
    }
    text_free(&id);
    return all;
}

Status pairs_join_answers(Pairs *p, const char *path, bool teacher, Error *e)
{
    Json j;
    if (stage_read_list(&j, path, e) != OK)
        return e->status;
    json_t *all = predictions_by_id(&j, e);
    Text id = {0};
    int64_t found = 0;
    for (int64_t i = 0; i < p->count && e->status == OK; i++) {
        text_clear(&id);
        const char *text =
            id_text(&id, p->pair[i].id, e) ? json_string_value(json_object_get(all, text_string(&id))) : NULL;
        char **answer = teacher ? &p->pair[i].teacher : &p->pair[i].student;
        found += text != NULL;
        if (text)
            *answer = memory_copy(text, e);
    }
    p->one_sided += p->count - found + (int64_t)json_object_size(all) - found;
    text_free(&id);
    json_decref(all);
    json_close(&j);
    return e->status;
}
