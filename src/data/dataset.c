/* Data set files of the benchmarks: JSON, laid out as the task's row says. An entry may hold several
 * questions about its picture in a list "qas". */
#include "data/items.h"

#include <string.h>

static const size_t MAX_JSON = (size_t)1 << 30;

/* The file that is being read. */
typedef struct {
    const Json *json;
    const Task *task;
    Split split;
    size_t entry; /* number of the one in work, for messages */
} Reader;

static Status wrong(const Reader *r, const char *field, const char *wanted, const json_t *got, Error *e)
{
    return error_set(e, BAD_INPUT, "%s: entry %zu: %s: wanted %s, found %s", r->json->path, r->entry, field,
                     wanted, json_kind(got));
}

/* Answers as a list of strings, whatever form they have: a string, strings, or objects with a field
 * "answer". Owned reference; NULL after a failure. */
static json_t *read_answers(const Reader *r, const json_t *o, Error *e)
{
    const json_t *v = json_object_get(o, r->task->answers);
    json_t *list = json_array();
    if (json_is_string(v))
        json_append(list, json_incref((json_t *)(uintptr_t)v), e);
    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *answer = json_array_get(v, i);
        if (json_is_object(answer))
            answer = json_object_get(answer, "answer");
        if (json_is_string(answer))
            json_append(list, json_incref((json_t *)(uintptr_t)answer), e);
    }
    const size_t count = json_array_size(list);
    if (e->status == OK && (!count || (json_is_array(v) && count != json_array_size(v))))
        wrong(r, r->task->answers, "a string or a list of strings that is not empty", v, e);
    if (e->status == OK)
        return list;
    json_decref(list);
    return NULL;
}

/* Appends the path of the entry's picture. */
static Status read_image(const Reader *r, const json_t *o, Text *out, Error *e)
{
    const Task *t = r->task;
    const json_t *v = json_object_get(o, t->image);
    text_add(out, t->prefix[r->split], e);
    if (t->digits) {
        if (!json_is_integer(v) || json_integer_value(v) < 0)
            return wrong(r, t->image, "an integer", v, e);
        text_format(out, e, "%0*lld", t->digits, (long long)json_integer_value(v));
    } else {
        if (!json_is_string(v) || !*json_string_value(v))
            return wrong(r, t->image, "a string", v, e);
        text_add(out, json_string_value(v), e);
    }
    text_add(out, t->suffix, e);
    return e->status;
}

/* One question: `o` holds its fields, `picture` those of its picture. */
static Status read_question(const Reader *r, Items *items, const json_t *picture, const json_t *o, Error *e)
{
    json_t *id = json_object_get(o, "question_id");
    json_t *question = json_object_get(o, r->task->question);
    Text image = {0};
    if (!json_is_integer(id) && !json_is_string(id))
        wrong(r, "question_id", "an integer or a string", id, e);
    if (!json_is_string(question))
        wrong(r, r->task->question, "a string", question, e);
    read_image(r, picture, &image, e);
    json_t *answers = read_answers(r, o, e);
    if (e->status == OK)
        items_add(items, json_incref(id), text_string(&image), json_string_value(question), answers, e);
    text_free(&image);
    return e->status;
}

static Status read_entry(const Reader *r, Items *items, const json_t *o, Error *e)
{
    const json_t *several = json_object_get(o, "qas");
    if (!json_is_object(o))
        return wrong(r, "entry", "an object", o, e);
    if (!json_is_array(several))
        return read_question(r, items, o, o, e);
    for (size_t k = 0; k < json_array_size(several) && e->status == OK; k++)
        read_question(r, items, o, json_array_get(several, k), e);
    return e->status;
}

Status dataset_load(Items *items, const Task *task, Split split, const char *path, Error *e)
{
    Json j = {0};
    json_open(&j, path, MAX_JSON, e);
    const json_t *list = task->list ? json_object_get(j.root, task->list) : j.root;
    if (e->status == OK && !json_is_array(list))
        error_set(e, BAD_INPUT, "%s: wanted %s%s%s, as %s has, found %s", path,
                  task->list ? "an object with a list \"" : "a list", task->list ? task->list : "",
                  task->list ? "\"" : "", task->name, json_kind(j.root));
    for (size_t i = 0; i < json_array_size(list) && e->status == OK; i++)
        read_entry(&(Reader){&j, task, split, i}, items, json_array_get(list, i), e);
    json_close(&j);
    return e->status;
}
