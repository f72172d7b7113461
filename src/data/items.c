/* The list of pictures that a stage works on. Its order is that of the source: names of a folder
 * sorted, lines of a list, entries of a data set. Ids of folders and lists count from 0. */
#include "data/items.h"

#include "base/file.h"
#include "base/folder.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "base/word.h"

#include <stdlib.h>
#include <string.h>

static const size_t MAX_LIST = (size_t)1 << 30;

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

Status id_text(Text *out, const json_t *id, Error *e)
{
    if (json_is_string(id))
        return text_add(out, json_string_value(id), e);
    return text_format(out, e, "%lld", (long long)json_integer_value(id));
}

static bool is_utf8(const char *s)
{
    int used;
    for (const char *end = s + strlen(s); s < end; s += used)
        if (utf8_decode(s, end, &used) < 0)
            return false;
    return true;
}

Status items_add(Items *items, json_t *id, const char *image, const char *question, json_t *answers, Error *e)
{
    items->item = memory_reserve(items->item, items->count, &items->capacity, sizeof *items->item, e);
    if (e->status == OK && !id)
        error_set(e, NO_MEMORY, "out of memory");
    if (e->status == OK && !is_utf8(image))
        error_set(e, BAD_INPUT,
                  "%s: the picture's name is not UTF-8, so it cannot be written to JSON files; rename it",
                  image);
    Item item = {.id = id,
                 .answers = answers,
                 .image = memory_copy(image, e),
                 .question = question ? memory_copy(question, e) : NULL};
    if (e->status != OK) {
        item_free(&item);
        return e->status;
    }
    items->item[items->count] = item;
    items->count++;
    return OK;
}

Status items_find_pictures(Items *items, const PictureSource *source, Error *e)
{
    items->missing = 0;
    for (int64_t i = 0; i < items->count && e->status == OK; i++) {
        Item *item = items->item + i;
        bool missing;
        free(item->file);
        item->file = picture_file(source, item->image, &missing, e);
        items->missing += missing;
    }
    return e->status;
}

void items_list_missing(const Items *items, const Log *l, const char *stage)
{
    if (!items->missing)
        return;
    for (int64_t i = 0; i < items->count; i++)
        if (!items->item[i].file)
            log_warning(l, "%s: %s is missing", stage, items->item[i].image);
    log_warning(l, "%s: %lld of %lld pictures are missing; they are skipped", stage,
                (long long)items->missing, (long long)items->count);
}

static Status load_folder(Items *items, const char *folder, Error *e)
{
    static const char *const endings[] = {".jpg", ".jpeg", ".png", NULL};
    char **names;
    int64_t count;
    folder_list(&names, &count, folder, endings, e);
    for (int64_t i = 0; i < count && e->status == OK; i++)
        items_add(items, json_integer(i), names[i], NULL, NULL, e);
    names_free(names, count);
    return e->status;
}

/* One picture per line; empty lines are left out. */
static Status load_list(Items *items, const char *path, Error *e)
{
    Text text = {0};
    file_read(&text, path, MAX_LIST, e);
    if (e->status == OK && text.count && memchr(text.data, 0, text.count))
        error_set(e, BAD_INPUT, "%s: holds a NUL byte; wanted a text file, a picture per line", path);
    char *p = text.data;
    if (p && !strncmp(p, "\xEF\xBB\xBF", 3))
        p += 3; /* a byte order mark */
    while (e->status == OK && p && *p) {
        const size_t length = strcspn(p, "\r\n");
        const char end = p[length];
        p[length] = 0;
        if (length)
            items_add(items, json_integer(items->count), p, NULL, NULL, e);
        p += length + (end != 0);
    }
    text_free(&text);
    return e->status;
}

/* Keeps only the items of this shard, then at most `limit` (0: all). */
static void select_items(Items *items, const Shard *shard, int64_t limit)
{
    int64_t kept = 0;
    for (int64_t i = 0; i < items->count; i++) {
        const bool keep = i % shard->count == shard->index && (!limit || kept < limit);
        const Item swap = items->item[kept];
        if (keep) {
            items->item[kept] = items->item[i];
            items->item[i] = swap;
            kept++;
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
        dataset_load(items, task_find(c->data.task), SPLIT_TRAIN, images, e);
    else
        error_set(e, BAD_USAGE, "data.images = %s: wanted a folder, a .txt list or a data set's .json",
                  images);
    if (e->status != OK)
        return e->status;
    select_items(items, &c->data.shard, c->data.limit);
    if (!items->count)
        return error_set(e, BAD_INPUT, "%s: no pictures (.jpg, .jpeg, .png) found", images);
    const PictureSource source = picture_source_data(c);
    return items_find_pictures(items, &source, e);
}

Status items_load_questions(Items *items, const Config *c, Error *e)
{
    *items = (Items){0};
    config_require(c, &c->evaluate.questions, e);
    dataset_load(items, task_find(c->data.task), SPLIT_TEST, c->evaluate.questions, e);
    if (e->status == OK && !items->count)
        error_set(e, BAD_INPUT, "%s: holds no questions", c->evaluate.questions);
    return e->status;
}
