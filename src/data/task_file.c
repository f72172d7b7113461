/* A task of one's own: an INI file with a section [task]. Every key may be left out.
 *
 *     metric        mpa, vqa, vqa-2015, anls or relaxed: scored beside mpa (default: mpa alone)
 *     prompt        file with the instruction to the annotator, seen from this file's folder
 *     list          field of the data set's object that holds the list (default: the file is a list)
 *     image         field that names the picture; question, answers, id: fields of an entry
 *     picture       path of the picture, with %s for the field's string or %012d for its number, of at
 *                   least so many digits; test_picture: the same in a test set, where it is another */
#include "data/task.h"

#include "base/path.h"
#include "base/word.h"
#include "config/ini.h"
#include "data/metrics.h"
#include "data/prompt.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    Task *task;
    bool test_picture; /* is set */
} Target;

static Status wrong(const IniPair *p, const char *allowed, Error *e)
{
    return error_set(e, BAD_USAGE, "%s:%d: %s = %s: allowed: %s", p->file, p->line, p->key, p->value,
                     allowed);
}

static void set_metric(Task *t, const IniPair *p, const char *value, Error *e)
{
    for (int i = 0; i < METRICS; i++)
        if (!strcmp(metrics[i].name, value)) {
            t->metric = i;
            return;
        }
    wrong(p, "mpa, vqa, vqa-2015, anls or relaxed", e);
}

static void set_prompt(Task *t, const IniPair *p, const char *value, Error *e)
{
    Text text = {0};
    char *folder = path_folder(p->file, e);
    char *path = folder ? path_join(folder, value, e) : NULL;
    if (path)
        prompt_read(&text, path, e);
    t->prompt = arena_copy(&t->memory, text_string(&text), e);
    text_free(&text);
    free(folder);
    free(path);
}

/* "COCO_%012d.jpg": the prefix of a split, digits and suffix. */
static void set_picture(Target *target, const IniPair *p, const char *value, Split split, Error *e)
{
    static const char allowed[] = "a path with one %s or %d, such as %s.jpg or COCO_train2014_%012d.jpg";
    Task *t = target->task;
    const char *mark = strchr(value, '%');
    const char *end = mark ? mark + 1 : value;
    const int digits = (int)strtol(end, NULL, 10);
    while (isdigit((unsigned char)*end))
        end++;
    const bool text = mark && *end == 's' && end == mark + 1;
    const bool number = mark && *end == 'd' && digits >= 0 && digits < 100;
    if ((!text && !number) || strchr(end, '%')) {
        wrong(p, allowed, e);
        return;
    }
    char *prefix = memory_copy_bytes(value, (size_t)(mark - value), e);
    PicturePath *path = t->picture + split;
    path->prefix = arena_copy(&t->memory, prefix ? prefix : "", e);
    path->digits = number && !digits ? 1 : digits;
    path->suffix = arena_copy(&t->memory, end + 1, e);
    if (split == SPLIT_TRAIN && !target->test_picture)
        t->picture[SPLIT_TEST] = t->picture[SPLIT_TRAIN];
    target->test_picture |= split == SPLIT_TEST;
    free(prefix);
}

static void set_value(Target *target, const IniPair *p, const char *value, Error *e)
{
    Task *t = target->task;
    const struct {
        const char *key, **field;
    } fields[] = {{"list", &t->list},
                  {"image", &t->image},
                  {"question", &t->question},
                  {"answers", &t->answers},
                  {"id", &t->id}};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (!strcmp(fields[i].key, p->key)) {
            *fields[i].field = arena_copy(&t->memory, value, e);
            return;
        }
    if (!strcmp(p->key, "metric"))
        set_metric(t, p, value, e);
    else if (!strcmp(p->key, "prompt"))
        set_prompt(t, p, value, e);
    else if (!strcmp(p->key, "picture"))
        set_picture(target, p, value, SPLIT_TRAIN, e);
    else if (!strcmp(p->key, "test_picture"))
        set_picture(target, p, value, SPLIT_TEST, e);
    else
        error_set(e, BAD_USAGE,
                  "%s:%d: unknown key %s in [task] (allowed: metric prompt list image question answers id "
                  "picture test_picture)",
                  p->file, p->line, p->key);
}

static Status take(void *user, const IniPair *p, Error *e)
{
    char *value = ini_unquoted(p->value, e);
    if (strcmp(p->section, "task"))
        error_set(e, BAD_USAGE, "%s:%d: unknown section [%s] (allowed: task)", p->file, p->line, p->section);
    else if (value && !*value)
        error_set(e, BAD_USAGE, "%s:%d: %s has no value", p->file, p->line, p->key);
    else if (value)
        set_value(user, p, value, e);
    free(value);
    return e->status;
}

Status task_read_file(Task *t, const char *path, Error *e)
{
    Target target = {.task = t};
    t->name = arena_copy(&t->memory, path, e);
    return ini_read(path, take, &target, e);
}
