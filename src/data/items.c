#include "data/items.h"

#include "base/file.h"
#include "base/folder.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/utf8.h"
#include "base/word.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const size_t MAX_JSON = (size_t)1 << 30;

static void item_free(Item *i)
{
    json_decref(i->id);
    json_decref(i->answers);
    free(i->image);
    free(i->file);
    free(i->question);
}

void items_free(Items *items)
{
    for (int64_t i = 0; i < items->count; i++)
        item_free(items->item + i);
    free(items->item);
    *items = (Items){0};
}

bool id_text(Text *out, const json_t *id, Error *e)
{
    if (json_is_string(id))
        return text_add(out, json_string_value(id), e);
    return text_format(out, e, "%lld", (long long)json_integer_value(id));
}

const char *most_frequent(const json_t *answers)
{
    const char *best = "";
    int most = 0;
    for (size_t i = 0; i < json_array_size(answers); i++) {
        const char *a = json_string_value(json_array_get(answers, i));
        int count = 0;
        for (size_t k = 0; k < json_array_size(answers); k++)
            count += !strcmp(a, json_string_value(json_array_get(answers, k)));
        if (count > most) {
            most = count;
            best = a;
        }
    }
    return best;
}

/* The folder that relative paths start from: image_root, else the folder of pictures or of the
 * file that lists them. Owned; NULL without memory. */
static char *root_of(const Config *c, bool evaluation, Error *e)
{
    const char *root = evaluation ? c->evaluate.image_root : c->data.image_root;
    const char *source = evaluation ? c->evaluate.questions : c->data.images;
    if (evaluation && !*root)
        root = c->data.image_root;
    if (*root || !*source)
        return memory_copy(*root ? root : ".", e);
    return file_is_folder(source) ? memory_copy(source, e) : path_folder(source, e);
}

/* The path with the first matching OLD=NEW of image_map applied. Owned. */
static char *mapped(const Config *c, const char *image, Error *e)
{
    for (const char *rule = c->data.image_map; *rule; rule += strcspn(rule, "\n"), rule += *rule == '\n') {
        size_t length = strcspn(rule, "\n");
        const char *equals = memchr(rule, '=', length);
        if (!equals) {
            error_set(e, BAD_USAGE, "data.image_map = %.*s: wanted OLD=NEW", (int)length, rule);
            return NULL;
        }
        size_t old = (size_t)(equals - rule);
        if (old && !strncmp(image, rule, old)) {
            Text t = {0};
            text_format(&t, e, "%.*s%s", (int)(length - old - 1), equals + 1, image + old);
            return t.data;
        }
    }
    return memory_copy(image, e);
}

char *picture_file(const Config *c, bool evaluation, const char *image, bool *missing, Error *e)
{
    char *root = root_of(c, evaluation, e), *name = root ? mapped(c, image, e) : NULL,
         *path = name ? path_join(root, name, e) : NULL;
    Error why = {0};
    *missing = false;
    if (path && path_check_below(root, path, missing, &why) != OK) {
        *missing = *missing && c->data.missing == MISSING_SKIP;
        if (!*missing)
            error_set(e, why.status, "%s", why.text);
        free(path);
        path = NULL;
    }
    free(root);
    free(name);
    return path;
}

static bool is_utf8(const char *s)
{
    int used;
    for (const char *end = s + strlen(s); s < end; s += used)
        if (utf8_decode(s, end, &used) < 0)
            return false;
    return true;
}

/* Takes over id and answers. */
static Status add(Items *items, json_t *id, const char *image, const char *question, json_t *answers,
                  Error *e)
{
    Item *more = items->item;
    if (items->count == items->capacity &&
        (more = memory_grow(items->item, items->capacity * 2 + 64, sizeof *more, e))) {
        items->item = more;
        items->capacity = items->capacity * 2 + 64;
    }
    if (!id && more)
        error_set(e, NO_MEMORY, "out of memory");
    if (!is_utf8(image))
        error_set(e, BAD_INPUT,
                  "%s: the picture's name is not UTF-8, so it cannot be written to JSON files; rename it",
                  image);
    if (e->status != OK) {
        json_decref(id);
        json_decref(answers);
        return e->status;
    }
    items->item[items->count++] = (Item){.id = id,
                                         .answers = answers,
                                         .image = memory_copy(image, e),
                                         .question = question ? memory_copy(question, e) : NULL};
    return e->status;
}

Status items_find_pictures(Items *items, const Config *c, bool evaluation, Error *e)
{
    items->missing = 0;
    for (int64_t i = 0; i < items->count && e->status == OK; i++) {
        bool missing;
        Item *item = items->item + i;
        free(item->file);
        item->file = picture_file(c, evaluation, item->image, &missing, e);
        item->present = item->file != NULL;
        items->missing += missing;
    }
    return e->status;
}

void items_list_missing(const Items *items, const Log *l, const char *stage)
{
    for (int64_t i = 0; i < items->count && items->missing; i++)
        if (!items->item[i].present)
            log_warning(l, "%s: %s is missing", stage, items->item[i].image);
    if (items->missing)
        log_warning(l, "%s: %lld of %lld pictures are missing and are skipped", stage,
                    (long long)items->missing, (long long)items->count);
}

static Status wrong(const Json *j, size_t i, const char *field, const char *wanted, const json_t *got,
                    Error *e)
{
    return error_set(e, BAD_INPUT, "%s: entry %zu: %s: wanted %s, found %s", j->path, i, field, wanted,
                     json_kind(got));
}

/* The answers as a list of strings, whatever form the data set has; owned reference or NULL with
 * e set. */
static json_t *answers_of(const Json *j, size_t i, const json_t *o, const char *field, Error *e)
{
    const json_t *v = json_object_get(o, field);
    json_t *list = json_array();
    if (json_is_string(v) && list && !json_array_append(list, (json_t *)(uintptr_t)v))
        return list;
    for (size_t k = 0; k < json_array_size(v); k++) {
        const json_t *a = json_array_get(v, k);
        if (json_is_object(a))
            a = json_object_get(a, "answer");
        if (json_is_string(a))
            json_array_append(list, (json_t *)(uintptr_t)a);
    }
    if (json_array_size(list) && json_array_size(list) == json_array_size(v))
        return list;
    json_decref(list);
    if (!list)
        error_set(e, NO_MEMORY, "out of memory");
    wrong(j, i, field, "a string or a list of strings that is not empty", v, e);
    return NULL;
}

/* The picture path of an entry by the task's rule. */
static Status image_of(const Json *j, size_t i, const json_t *o, const char *task, bool evaluation, Text *out,
                       Error *e)
{
    const char *field = !strcmp(task, "stvqa")     ? "file_path"
                        : !strcmp(task, "chartqa") ? "imgname"
                                                   : "image_id";
    const json_t *v = json_object_get(o, field);
    bool ok;
    if (!strcmp(task, "okvqa")) {
        if (!json_is_integer(v) || json_integer_value(v) < 0)
            return wrong(j, i, field, "an integer", v, e);
        ok = text_format(out, e, "COCO_%s2014_%012lld.jpg", evaluation ? "val" : "train",
                         (long long)json_integer_value(v));
    } else {
        if (!json_is_string(v) || !*json_string_value(v))
            return wrong(j, i, field, "a string", v, e);
        ok = text_format(out, e, "%s%s", json_string_value(v), strcmp(task, "textvqa") ? "" : ".jpg");
    }
    return ok ? OK : NO_MEMORY;
}

/* One question of an entry: `o` holds the question's fields, `picture` the picture's. */
static Status add_entry(Items *items, const Config *c, const Json *j, size_t i, const json_t *picture,
                        const json_t *o, bool evaluation, Error *e)
{
    const char *task = c->data.task;
    bool chart = !strcmp(task, "chartqa");
    json_t *id = json_object_get(o, "question_id"),
           *question = json_object_get(o, chart ? "query" : "question");
    Text image = {0};
    if (!json_is_integer(id) && !json_is_string(id))
        return wrong(j, i, "question_id", "an integer or a string", id, e);
    if (!json_is_string(question))
        return wrong(j, i, chart ? "query" : "question", "a string", question, e);
    Status status = image_of(j, i, picture, task, evaluation, &image, e);
    json_t *answers = status == OK ? answers_of(j, i, o, chart ? "label" : "answers", e) : NULL;
    if (answers)
        status = add(items, json_incref(id), image.data, json_string_value(question), answers, e);
    text_free(&image);
    return e->status;
}

static Status load_dataset(Items *items, const Config *c, const char *path, bool evaluation, Error *e)
{
    const char *task = c->data.task;
    bool wrapped = !strcmp(task, "textvqa") || !strcmp(task, "stvqa");
    Json j;
    if (json_open(&j, path, MAX_JSON, e) != OK)
        return e->status;
    const json_t *list = wrapped ? json_object_get(j.root, "data") : j.root;
    if (!json_is_array(list))
        error_set(e, BAD_INPUT, "%s: wanted %s, as %s has, found %s", path,
                  wrapped ? "an object with a list \"data\"" : "a list", task, json_kind(j.root));
    for (size_t i = 0; i < json_array_size(list) && e->status == OK; i++) {
        const json_t *o = json_array_get(list, i), *several = json_object_get(o, "qas");
        if (!json_is_object(o))
            wrong(&j, i, "entry", "an object", o, e);
        else if (!json_is_array(several))
            add_entry(items, c, &j, i, o, o, evaluation, e);
        for (size_t k = 0; k < json_array_size(several) && e->status == OK; k++)
            add_entry(items, c, &j, i, o, json_array_get(several, k), evaluation, e);
    }
    json_close(&j);
    return e->status;
}

static Status load_folder(Items *items, const char *folder, Error *e)
{
    static const char *const endings[] = {".jpg", ".jpeg", ".png", NULL};
    char **names;
    int64_t count;
    Status status = folder_list(&names, &count, folder, endings, e);
    for (int64_t i = 0; i < count && status == OK; i++) {
        status = add(items, json_integer(i), names[i], NULL, NULL, e);
    }
    names_free(names, count);
    return status;
}

static Status load_list(Items *items, const char *path, Error *e)
{
    Text text = {0};
    Status status = file_read(&text, path, MAX_JSON, e);
    int64_t number = 0;
    /* after a byte order mark */
    char *start = text.data && !strncmp(text.data, "\xEF\xBB\xBF", 3) ? text.data + 3 : text.data;
    for (char *p = start; status == OK && p && *p;) {
        size_t n = strcspn(p, "\r\n");
        char end = p[n];
        p[n] = 0;
        if (n)
            status = add(items, json_integer(number++), p, NULL, NULL, e);
        p += n + (end != 0);
    }
    text_free(&text);
    return status;
}

/* Keeps only the items of this shard, then at most `limit`. */
static void select_items(Items *items, const Config *c)
{
    int64_t of = c->data.shard.count, own = c->data.shard.index, kept = 0, limit = c->data.limit;
    for (int64_t i = 0; i < items->count; i++) {
        bool keep = i % of == own && (!limit || kept < limit);
        Item swap = items->item[kept];
        if (keep) {
            items->item[kept++] = items->item[i];
            items->item[i] = swap;
        }
    }
    for (int64_t i = kept; i < items->count; i++)
        item_free(items->item + i);
    items->count = kept;
}

Status items_load_images(Items *items, const Config *c, Error *e)
{
    const char *images = c->data.images;
    *items = (Items){0};
    if (config_require(c, &c->data.images, e) != OK)
        return e->status;
    if (file_is_folder(images))
        load_folder(items, images, e);
    else if (ends_with(images, ".txt"))
        load_list(items, images, e);
    else if (ends_with(images, ".json"))
        load_dataset(items, c, images, false, e);
    else
        error_set(e, BAD_USAGE, "data.images = %s: is no folder, list.txt or data set .json", images);
    if (e->status == OK)
        select_items(items, c);
    if (e->status == OK && !items->count)
        error_set(e, BAD_INPUT, "%s: no pictures (.jpg, .jpeg, .png) found", images);
    return e->status == OK ? items_find_pictures(items, c, false, e) : e->status;
}

Status items_load_questions(Items *items, const Config *c, Error *e)
{
    *items = (Items){0};
    if (config_require(c, &c->evaluate.questions, e) != OK)
        return e->status;
    load_dataset(items, c, c->evaluate.questions, true, e);
    if (e->status == OK && !items->count)
        error_set(e, BAD_INPUT, "%s: holds no questions", c->evaluate.questions);
    return e->status;
}
