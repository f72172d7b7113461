/* Data set files. Three forms are read, each entry by the fields that it has:
 *
 *     a task's own     a list, or an object whose field (textvqa: "data") is one, of objects with the
 *                      task's fields; an object may hold several questions about its picture in "qas"
 *     plain            a list, or a line each in a .jsonl file, of {image, question, answers, id}; answers
 *                      may be called answer, and id question_id; image is the path as it stands
 *     questions apart  an object with a list "questions" (VQA, OK-VQA as distributed); the answers are in
 *                      the file beside it whose name has "annotations" for "questions", by question_id */
#include "data/items.h"

#include "base/file.h"
#include "base/path.h"
#include "base/word.h"

#include <stdlib.h>
#include <string.h>

/* The file that is being read. */
typedef struct {
    const Json *json;
    const Task *task;
    Split names;    /* how pictures are called */
    bool labelled;  /* a question and answers are needed */
    json_t *labels; /* annotations by question_id, where they are apart; NULL: they are not */
    size_t entry;   /* number of the one in work, for messages */
} Reader;

static Status wrong(const Reader *r, const char *field, const char *wanted, const json_t *got, Error *e)
{
    return error_set(e, BAD_INPUT, "%s: entry %zu: %s: wanted %s, found %s", r->json->path, r->entry, field,
                     wanted, json_kind(got));
}

/* The field of this name, or of the other; *name becomes the name of the one that is there. */
static json_t *either(const json_t *o, const char **name, const char *other)
{
    json_t *v = json_object_get(o, *name);
    if (v || !json_object_get(o, other))
        return v;
    *name = other;
    return json_object_get(o, other);
}

/* Answers as a list of strings, whatever form they have: a string, strings, or objects with a field
 * "answer". Owned reference; NULL after a failure, and where there are none and none are needed. */
static json_t *read_answers(const Reader *r, const json_t *o, Error *e)
{
    const char *field = r->task->answers;
    const json_t *v = json_object_get(o, field);
    v = v ? v : either(o, &field, "answers");
    v = v ? v : either(o, &field, "answer");
    if (e->status != OK || (!v && !r->labelled))
        return NULL;
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
        wrong(r, field, "a string or a list of strings that is not empty", v, e);
    if (e->status == OK)
        return list;
    json_decref(list);
    return NULL;
}

/* Whether the entry names its picture in the plain way. */
static bool is_plain(const Reader *r, const json_t *o)
{
    return !json_object_get(o, r->task->image) && json_object_get(o, "image");
}

/* Appends the path of the entry's picture. */
static Status read_image(const Reader *r, const json_t *o, Text *out, Error *e)
{
    static const PicturePath as_it_stands = {"", 0, ""};
    const bool plain = is_plain(r, o);
    const char *field = plain ? "image" : r->task->image;
    const PicturePath *path = plain ? &as_it_stands : r->task->picture + r->names;
    const json_t *v = json_object_get(o, field);
    text_add(out, path->prefix, e);
    if (path->digits) {
        if (!json_is_integer(v) || json_integer_value(v) < 0)
            return wrong(r, field, "an integer", v, e);
        text_format(out, e, "%0*lld", path->digits, (long long)json_integer_value(v));
    } else {
        if (!json_is_string(v) || !*json_string_value(v))
            return wrong(r, field, "a string", v, e);
        text_add(out, json_string_value(v), e);
    }
    text_add(out, path->suffix, e);
    return e->status;
}

/* The entry's id, or its number where it needs none. Owned reference; NULL after a failure. */
static json_t *read_id(const Reader *r, const json_t *o, bool plain, int64_t number, Error *e)
{
    const char *field = r->task->id;
    json_t *id = either(o, &field, "question_id");
    if (plain && !id)
        id = either(o, &field, "id");
    if (!id && (plain || r->task->counts))
        return json_integer(number);
    if (!id_is(id)) {
        wrong(r, field, "an integer or a string", id, e);
        return NULL;
    }
    return json_incref(id);
}

/* The object that holds the answers to the entry: itself, or its annotation. */
static const json_t *labels_of(const Reader *r, const json_t *o, const json_t *id, Error *e)
{
    if (!r->labels)
        return o;
    const json_t *found = id ? id_get(r->labels, id) : NULL;
    if (!found && r->labelled && e->status == OK) {
        Text name = {0};
        id_text(&name, id, e);
        error_set(e, BAD_INPUT, "%s: entry %zu: there is no annotation of question %s", r->json->path,
                  r->entry, text_string(&name));
        text_free(&name);
    }
    return found;
}

/* One question: `o` holds its fields, `picture` those of its picture. */
static Status read_question(const Reader *r, Items *items, const json_t *picture, const json_t *o, Error *e)
{
    const bool plain = is_plain(r, picture);
    const char *field = r->task->question;
    const json_t *question = either(o, &field, "question");
    Text image = {0};
    json_t *id = read_id(r, o, plain, items->count, e);
    if (!json_is_string(question) && (question || r->labelled || !plain))
        wrong(r, field, "a string", question, e);
    read_image(r, picture, &image, e);
    const json_t *labels = labels_of(r, o, id, e);
    json_t *answers = read_answers(r, labels, e);
    if (e->status == OK)
        items_add(items, id, text_string(&image), json_string_value(question), answers, e);
    else
        json_decref(id);
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

/* The annotations' file for a file of questions: "OpenEnded_" is left out of its name, and "questions"
 * becomes "annotations". Owned; NULL after a failure. */
static char *annotations_path(const char *path, Error *e)
{
    static const char kind[] = "OpenEnded_";
    static const char questions[] = "questions";
    Text out = {0};
    const char *name = path_name(path);
    const char *at = strstr(name, kind);
    text_format(&out, e, "%.*s", (int)(name - path), path);
    if (at) {
        text_format(&out, e, "%.*s", (int)(at - name), name);
        name = at + strlen(kind);
    }
    at = strstr(name, questions);
    if (at)
        text_format(&out, e, "%.*sannotations%s", (int)(at - name), name, at + strlen(questions));
    else
        text_format(&out, e, "%s.annotations", name);
    return out.data;
}

/* The annotations of a file of questions by question_id; those of unlabeled pictures may be missing. Owned
 * reference to an object; *file owns what is in it. */
static json_t *read_labels(const Reader *r, Json *file, Error *e)
{
    json_t *all = json_object();
    char *path = annotations_path(r->json->path, e);
    if (path && !file_exists(path) && r->labelled)
        error_set(e, BAD_INPUT, "%s: holds questions alone; wanted their answers in %s", r->json->path, path);
    if (path && file_exists(path))
        json_open(file, path, JSON_DATA, e);
    const json_t *list = json_object_get(file->root, "annotations");
    if (file->root && !json_is_array(list))
        error_set(e, BAD_INPUT, "%s: wanted an object with a list \"annotations\", found %s", path,
                  json_kind(file->root));
    for (size_t i = 0; i < json_array_size(list) && e->status == OK; i++) {
        json_t *o = json_array_get(list, i);
        const json_t *v = json_object_get(o, "question_id");
        id_check(v, path, i, e);
        id_put(all, v, json_incref(o), e);
    }
    free(path);
    return all;
}

/* Files that hold questions alone say which half they are: "data_subtype": "val2014". */
static Split names_of(const json_t *root, Split split)
{
    const char *half = json_string_value(json_object_get(root, "data_subtype"));
    if (half && strstr(half, "train"))
        return SPLIT_TRAIN;
    return half && strstr(half, "val") ? SPLIT_TEST : split;
}

/* The list of entries in any of the forms. Borrowed; NULL with e set: there is none. */
static const json_t *entries_of(const Json *j, const Task *task, bool *apart, Error *e)
{
    const json_t *list = task->list ? json_object_get(j->root, task->list) : NULL;
    const json_t *questions = json_object_get(j->root, "questions");
    *apart = !list && json_is_array(questions);
    if (*apart)
        return questions;
    if (!list && !json_is_object(j->root))
        list = j->root;
    if (e->status == OK && !json_is_array(list) && json_object_get(j->root, "annotations"))
        error_set(e, BAD_INPUT, "%s: holds answers alone; name the file of their questions instead", j->path);
    if (e->status == OK && !json_is_array(list))
        error_set(e, BAD_INPUT,
                  "%s: wanted %s%s%s (the format of task %s) or {image, question, answers}, found %s",
                  j->path, task->list ? "an object with a list \"" : "a list", task->list ? task->list : "",
                  task->list ? "\"" : "", task->name, json_kind(j->root));
    return list;
}

Status dataset_load(Items *items, const Task *task, Split split, const char *path, Error *e)
{
    Json j = {0};
    Json labels = {0};
    bool apart = false;
    if (ends_with(path, ".jsonl"))
        json_open_lines(&j, path, JSON_DATA, e);
    else
        json_open(&j, path, JSON_DATA, e);
    const json_t *list = e->status == OK ? entries_of(&j, task, &apart, e) : NULL;
    Reader r = {&j, task, names_of(j.root, split), split == SPLIT_TEST, NULL, 0};
    if (apart)
        r.labels = read_labels(&r, &labels, e);
    for (; r.entry < json_array_size(list) && e->status == OK; r.entry++)
        read_entry(&r, items, json_array_get(list, r.entry), e);
    json_decref(r.labels);
    json_close(&labels);
    json_close(&j);
    return e->status;
}
