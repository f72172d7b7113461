/* Reading annotated pairs. Their ids are different as text. */
#include "mpa/pairs.h"

#include "base/memory.h"
#include "data/items.h"

#include <stdlib.h>

void pairs_free(Pairs *p)
{
    for (int64_t i = 0; i < p->count; i++) {
        text_free(&p->pair[i].normal_answer);
        for (int who = 0; who < ANSWERERS; who++) {
            free(p->pair[i].said[who]);
            text_free(&p->pair[i].normal_said[who]);
        }
    }
    free(p->pair);
    json_close(&p->source);
    *p = (Pairs){0};
}

/* A field that is a string, or null where `may_be_null`. */
static Status read_field(const Json *j, size_t i, const char *key, bool may_be_null, const char **value,
                         Error *e)
{
    const json_t *v = json_object_get(json_array_get(j->root, i), key);
    *value = json_string_value(v);
    if (e->status != OK || *value || (may_be_null && json_is_null(v)))
        return e->status;
    return error_set(e, BAD_INPUT, "%s: entry %zu: %s: wanted a string%s, found %s", j->path, i, key,
                     may_be_null ? " or null" : "", json_kind(v));
}

static Status read_pair(const Json *j, size_t i, Pair *p, const char *question, const char *answer, Error *e)
{
    p->id = json_object_get(json_array_get(j->root, i), "question_id");
    if (!json_is_integer(p->id) && !json_is_string(p->id))
        return error_set(e, BAD_INPUT, "%s: entry %zu: question_id: wanted an integer or a string, found %s",
                         j->path, i, json_kind(p->id));
    read_field(j, i, "image_path", false, &p->image, e);
    read_field(j, i, question, true, &p->question, e);
    return read_field(j, i, answer, true, &p->answer, e);
}

/* The rows of p->source. */
static Status read_rows(Pairs *p, const char *question, const char *answer, Error *e)
{
    const size_t n = json_array_size(p->source.root);
    json_t *index = json_object(); /* id to index in p->pair */
    Text id = {0};
    p->pair = memory_new((int64_t)n, sizeof *p->pair, e);
    for (size_t i = 0; i < n && e->status == OK; i++) {
        Pair read = {0};
        read_pair(&p->source, i, &read, question, answer, e);
        text_clear(&id);
        id_text(&id, read.id, e);
        if (e->status != OK)
            break;
        const json_t *before = json_object_get(index, text_string(&id));
        const int64_t at = before ? json_integer_value(before) : p->count;
        p->count += !before;
        p->pair[at] = read;
        json_put(index, text_string(&id), json_integer(at), e);
    }
    text_free(&id);
    json_decref(index);
    return e->status;
}

Status pairs_read(Pairs *p, const char *path, const char *question, const char *answer, Error *e)
{
    job_read_list(&p->source, path, e);
    return read_rows(p, question, answer, e);
}

Status pairs_take(Pairs *p, json_t *list, const char *name, const char *question, const char *answer,
                  Error *e)
{
    p->source = (Json){memory_copy(name, e), list};
    return read_rows(p, question, answer, e);
}
