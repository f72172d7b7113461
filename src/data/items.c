/* The list of pictures that a stage works on. Its order is that of the source: paths below a folder
 * sorted, lines of a list, entries of a data set. Ids of folders and lists count from 0. */
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

static const size_t MAX_LIST = (size_t)1 << 30;

static void item_free(Item *i)
{
    json_decref(i->id);
    json_decref(i->answers);
    free(i->image);
    free(i->file);
    free(i->why);
    free(i->question);
}

void items_free(Items *items)
{
    for (int64_t i = 0; i < items->count; i++)
        item_free(items->item + i);
    free(items->item);
    names_free(items->foreign, items->foreign_count);
    *items = (Items){0};
}

enum { ID_DIGITS = 24 };

/* The id as text: its own, or digits that are written for it. */
static const char *id_key(const json_t *id, char digits[ID_DIGITS])
{
    if (json_is_string(id))
        return json_string_value(id);
    snprintf(digits, ID_DIGITS, "%lld", (long long)json_integer_value(id));
    return digits;
}

bool id_is(const json_t *value)
{
    return json_is_integer(value) || json_is_string(value);
}

Status id_check(const json_t *id, const char *path, size_t i, Error *e)
{
    if (e->status == OK && !id_is(id))
        error_set(e, BAD_INPUT, "%s: entry %zu: question_id: wanted an integer or a string, found %s", path,
                  i, json_kind(id));
    return e->status;
}

Status id_text(Text *out, const json_t *id, Error *e)
{
    char digits[ID_DIGITS];
    return text_add(out, id_key(id, digits), e);
}

Status id_put(json_t *object, const json_t *id, json_t *value, Error *e)
{
    char digits[ID_DIGITS];
    return json_put(object, id_key(id, digits), value, e);
}

json_t *id_get(const json_t *object, const json_t *id)
{
    char digits[ID_DIGITS];
    return json_object_get(object, id_key(id, digits));
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

/* The file of one item. Rows about one picture mostly follow one another: it is looked at once. */
static void find_picture(Item *item, const Item *before, const PictureSource *source, PictureFaults *faults,
                         Error *e)
{
    free(item->file);
    free(item->why);
    item->file = NULL;
    item->why = NULL;
    if (before && before->file && !strcmp(before->image, item->image)) {
        item->file = memory_copy(before->file, e);
        return;
    }
    item->file = picture_file(source, item->image, faults, e);
    if (!item->file && e->status == OK)
        item->why = memory_copy(text_string(&faults->why), e);
}

Status items_find_pictures(Items *items, const PictureSource *source, Error *e)
{
    PictureFaults faults = {0};
    for (int64_t i = 0; i < items->count && e->status == OK; i++)
        find_picture(items->item + i, i ? items->item + i - 1 : NULL, source, &faults, e);
    items->skipped = faults.count;
    return picture_faults_end(&faults, source, e);
}

/* Endings of pictures that are not read, and what converts them. */
static const struct {
    const char *ending, *command;
} foreign_formats[] = {
    {".webp", "mogrify -format png FILE.webp (ImageMagick)"},
    {".heic", "heif-convert FILE.heic FILE.jpg (libheif)"},
    {".heif", "heif-convert FILE.heif FILE.jpg (libheif)"},
    {".avif", "heif-convert FILE.avif FILE.jpg (libheif)"},
    {".jxl", "djxl FILE.jxl FILE.png (libjxl)"},
    {".gif", "mogrify -format png FILE.gif (ImageMagick)"},
    {".bmp", "mogrify -format png FILE.bmp (ImageMagick)"},
    {".tif", "mogrify -format png FILE.tif (ImageMagick)"},
    {".tiff", "mogrify -format png FILE.tiff (ImageMagick)"},
    {".jp2", "mogrify -format png FILE.jp2 (ImageMagick)"},
};
enum { FOREIGN_FORMATS = sizeof foreign_formats / sizeof *foreign_formats };

/* The row of the name's ending; -1: none. */
static int foreign_format(const char *name)
{
    for (int i = 0; i < FOREIGN_FORMATS; i++)
        if (ends_with_any_case(name, foreign_formats[i].ending))
            return i;
    return -1;
}

/* One warning for each format, with its number, its first file and its command. */
static void list_foreign(const Items *items, const Log *l, const char *stage)
{
    int64_t count[FOREIGN_FORMATS] = {0};
    const char *first[FOREIGN_FORMATS] = {NULL};
    for (int64_t i = 0; i < items->foreign_count; i++) {
        const int row = foreign_format(items->foreign[i]);
        first[row] = first[row] ? first[row] : items->foreign[i];
        count[row]++;
    }
    for (int i = 0; i < FOREIGN_FORMATS; i++)
        if (count[i])
            log_warning(l, "%s: %lld %s pictures are not read (the first: %s); convert them: %s", stage,
                        (long long)count[i], foreign_formats[i].ending, first[i], foreign_formats[i].command);
}

void items_list_skipped(const Items *items, const Log *l, const char *stage)
{
    PictureFaults shown = {0};
    for (int64_t i = 0; i < items->count; i++)
        if (items->item[i].why) {
            shown.count++;
            shown.why = (Text){items->item[i].why, strlen(items->item[i].why), 0}; /* borrowed */
            picture_faults_show(&shown, l, stage);
        }
    if (items->shared)
        log_info(l, "%s: each picture is taken once; %lld rows name one that another row names", stage,
                 (long long)items->shared);
    if (items->skipped)
        log_warning(l, "%s: %lld of %lld pictures are missing or cannot be read; they are skipped", stage,
                    (long long)items->skipped, (long long)items->count);
    list_foreign(items, l, stage);
}

static bool is_picture(const char *name)
{
    return ends_with_any_case(name, ".jpg") || ends_with_any_case(name, ".jpeg") ||
           ends_with_any_case(name, ".png");
}

/* All pictures below the folder. Their paths are seen from the root, as those of lists are. */
static Status load_folder(Items *items, const PictureSource *source, Error *e)
{
    char **names = NULL;
    int64_t count = 0;
    char *root = picture_root(source, e);
    char *below = root ? path_below(root, source->source, e) : NULL;
    if (below)
        folder_walk(&names, &count, source->source, root, e);
    for (int64_t i = 0; i < count && e->status == OK; i++) {
        char *image = path_join(below, names[i], e);
        if (image && is_picture(image))
            items_add(items, json_integer(items->count), image, NULL, NULL, e);
        else if (image && foreign_format(image) >= 0)
            names_add(&items->foreign, &items->foreign_count, &items->foreign_capacity, image, e);
        free(image);
    }
    names_free(names, count);
    free(root);
    free(below);
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

/* Keeps the first of items with the same picture. */
static Status share_pictures(Items *items, Error *e)
{
    json_t *seen = json_object();
    int64_t kept = 0;
    for (int64_t i = 0; i < items->count; i++) {
        Item item = items->item[i];
        if (json_object_get(seen, item.image)) {
            item_free(&item);
            continue;
        }
        json_put(seen, item.image, json_true(), e);
        items->item[kept] = item;
        kept++;
    }
    items->shared = items->count - kept;
    items->count = kept;
    json_decref(seen);
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

static Status load_dataset(Items *items, const Config *c, Split split, const char *path, Error *e)
{
    Task task;
    task_open(&task, c, e);
    dataset_load(items, &task, split, path, e);
    task_close(&task);
    return e->status;
}

static Status load_images(Items *items, const Config *c, bool unopened, Error *e)
{
    const char *images = c->data.images;
    PictureSource source = picture_source_data(c);
    *items = (Items){0};
    if (config_require(c, &c->data.images, e) != OK)
        return e->status;
    if (file_is_folder(images))
        load_folder(items, &source, e);
    else if (ends_with(images, ".txt"))
        load_list(items, images, e);
    else if (ends_with(images, ".json") || ends_with(images, ".jsonl"))
        load_dataset(items, c, SPLIT_TRAIN, images, e);
    else
        error_set(e, BAD_USAGE,
                  "data.images = %s: wanted a folder, a .txt list, or a data set's .json or .jsonl", images);
    share_pictures(items, e);
    if (e->status != OK)
        return e->status;
    select_items(items, &c->data.shard, c->data.limit);
    if (!items->count && items->foreign_count)
        return error_set(
            e, BAD_INPUT,
            "%s: no pictures (.jpg, .jpeg, .png) found; there are %lld that are not read, such as "
            "%s; convert them: %s",
            images, (long long)items->foreign_count, items->foreign[0],
            foreign_formats[foreign_format(items->foreign[0])].command);
    if (!items->count)
        return error_set(e, BAD_INPUT, "%s: no pictures (.jpg, .jpeg, .png) found", images);
    source.unopened = unopened;
    source.skip |= unopened;
    return items_find_pictures(items, &source, e);
}

Status items_load_images(Items *items, const Config *c, Error *e)
{
    return load_images(items, c, false, e);
}

Status items_name_images(Items *items, const Config *c, Error *e)
{
    return load_images(items, c, true, e);
}

Status items_load_questions(Items *items, const Config *c, Error *e)
{
    *items = (Items){0};
    config_require(c, &c->evaluate.questions, e);
    load_dataset(items, c, SPLIT_TEST, c->evaluate.questions, e);
    if (e->status == OK && !items->count)
        error_set(e, BAD_INPUT, "%s: holds no questions", c->evaluate.questions);
    return e->status;
}
