/* Reading annotated pairs. Their ids are different as text. */
#include "mpa/pairs.h"

#include "base/memory.h"
#include "data/items.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void pairs_free(Pairs *p)
{
    for (int64_t i = 0; i < p->count; i++) {
        text_free(&p->pair[i].normal_answer);
        json_decref(p->pair[i].given);
        free(p->pair[i].fault);
        for (int who = 0; who < ANSWERERS; who++) {
            free(p->pair[i].said[who]);
            text_free(&p->pair[i].normal_said[who]);
        }
    }
    free(p->pair);
    json_close(&p->source);
    *p = (Pairs){0};
}

/* A number as Python prints it: the fewest digits that are the same number. */
static void print_real(char *text, size_t size, double v)
{
    const double size_of_v = fabs(v);
    const bool plain = !(size_of_v > 0) || (size_of_v >= 1e-4 && size_of_v < 1e16);
    int digits = plain ? 1 : 0;
    do {
        snprintf(text, size, plain ? "%.*f" : "%.*e", digits, v);
        digits++;
    } while (digits < 25 && (strtod(text, NULL) < v || strtod(text, NULL) > v));
}

const char *value_text(json_t *object, const char *key, Error *e)
{
    enum { REAL_SIZE = 60 };
    char text[REAL_SIZE];
    const json_t *v = json_object_get(object, key);
    if (json_is_integer(v))
        snprintf(text, sizeof text, "%lld", (long long)json_integer_value(v));
    else if (json_is_real(v))
        print_real(text, sizeof text, json_real_value(v));
    else if (json_is_boolean(v))
        snprintf(text, sizeof text, "%s", json_is_true(v) ? "True" : "False");
    else
        return json_string_value(v);
    json_put(object, key, json_string(text), e);
    return json_string_value(json_object_get(object, key));
}

/* A field with a text, or null where `may_be_null`. */
static Status read_field(const Json *j, size_t i, const char *key, bool may_be_null, bool numbers,
                         const char **value, Error *e)
{
    json_t *o = json_array_get(j->root, i);
    const json_t *v = json_object_get(o, key);
    *value = numbers ? value_text(o, key, e) : json_string_value(v);
    if (e->status != OK || *value || (may_be_null && json_is_null(v)))
        return e->status;
    return error_set(e, BAD_INPUT, "%s: entry %zu: %s: wanted a string%s, found %s", j->path, i, key,
                     may_be_null ? " or null" : "", json_kind(v));
}

static Status read_pair(const Json *j, size_t i, Pair *p, const char *question, const char *answer, Error *e)
{
    p->id = json_object_get(json_array_get(j->root, i), "question_id");
    id_check(p->id, j->path, i, e);
    read_field(j, i, "image_path", false, false, &p->image, e);
    read_field(j, i, question, true, false, &p->question, e);
    p->given = json_incref(json_object_get(json_array_get(j->root, i), answer));
    return read_field(j, i, answer, true, true, &p->answer, e);
}

/* The rows of p->source. */
static Status read_rows(Pairs *p, const char *question, const char *answer, Error *e)
{
    const size_t n = json_array_size(p->source.root);
    json_t *index = json_object(); /* id to index in p->pair */
    p->pair = memory_new((int64_t)n, sizeof *p->pair, e);
    for (size_t i = 0; i < n && e->status == OK; i++) {
        Pair read = {0};
        read_pair(&p->source, i, &read, question, answer, e);
        if (e->status != OK) {
            json_decref(read.given);
            break;
        }
        const json_t *before = id_get(index, read.id);
        const int64_t at = before ? json_integer_value(before) : p->count;
        p->count += !before;
        json_decref(p->pair[at].given);
        p->pair[at] = read;
        id_put(index, read.id, json_integer(at), e);
    }
    json_decref(index);
    return e->status;
}

int64_t annotations_whole(const json_t *annotations)
{
    int64_t whole = 0;
    for (size_t i = 0; i < json_array_size(annotations); i++) {
        const json_t *o = json_array_get(annotations, i);
        whole += json_is_string(json_object_get(o, "predicted_question")) &&
                 json_is_string(json_object_get(o, "predicted_answer"));
    }
    return whole;
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
