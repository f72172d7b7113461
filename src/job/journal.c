/* The journal of answers. Its invariant: what it holds is the head and whole groups in their order;
 * a kill can leave half a line at the end, which is cut off before work goes on. */
#include "job/journal.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/map_guard.h"
#include "base/number.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const Job *job;
    const char *name;
    const Questions *questions;
    const GroupWork *work;
    char *path;
    json_t *head;  /* what must be the same to go on */
    int64_t batch; /* questions per group; 0: not chosen yet */
    int64_t done;  /* questions answered so far */
    char **texts;
} Journal;

/* What the questions are: their texts, and the names and sizes of their pictures. */
static uint64_t hash_questions(const Questions *q)
{
    uint64_t h = HASH_START;
    for (int64_t i = 0; i < q->count; i++) {
        h = hash_text(h, q->question[i].text);
        for (int64_t k = 0; k < q->question[i].n_images; k++) {
            const char *image = q->question[i].images[k];
            const int64_t size = file_size(image);
            h = hash_bytes(hash_text(h, image), &size, sizeof size);
        }
    }
    return h;
}

static Status describe(Journal *w, Error *e)
{
    char hash[40];
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)hash_questions(w->questions));
    w->head = json_object();
    w->work->describe(w->work->who, w->head, e);
    json_put(w->head, "questions", json_string(hash), e);
    json_put(w->head, "count", json_integer(w->questions->count), e);
    return e->status;
}

/* Whether the journal's first line describes this work; names what differs. */
static Status check_head(Journal *w, const json_t *old, Error *e)
{
    const char *part;
    json_t *now;
    json_object_foreach(w->head, part, now)
    {
        if (!json_equal(json_object_get(old, part), now))
            return error_set(
                e, BAD_USAGE,
                "%s: was begun with another %s; remove this file to start again, or go back to the old "
                "configuration",
                w->path, part);
    }
    w->batch = json_integer_value(json_object_get(old, "batch"));
    if (w->batch <= 0)
        return error_set(e, BAD_INPUT, "%s: its first line lacks \"batch\"; remove it to start anew",
                         w->path);
    return OK;
}

/* Takes over one finished group; false: the line is not whole, or not the next one. */
static bool take_group(Journal *w, const char *line, size_t length)
{
    json_error_t why;
    json_t *o = json_loadb(line, length, 0, &why);
    const json_t *first = json_object_get(o, "first");
    const json_t *texts = json_object_get(o, "texts");
    const int64_t n = (int64_t)json_array_size(texts);
    bool good = json_is_integer(first) && json_integer_value(first) == w->done && n &&
                w->done + n <= w->questions->count;
    for (int64_t i = 0; i < n && good; i++) {
        const char *text = json_string_value(json_array_get(texts, (size_t)i));
        Error e = {0};
        w->texts[w->done + i] = text ? memory_copy(text, &e) : NULL;
        good = w->texts[w->done + i] != NULL;
    }
    for (int64_t i = 0; i < n && !good && w->done + i < w->questions->count; i++) {
        free(w->texts[w->done + i]);
        w->texts[w->done + i] = NULL;
    }
    if (good)
        w->done += n;
    json_decref(o);
    return good;
}

/* The head, or a group, of the line; false: the line is not whole. */
static bool take_line(Journal *w, bool head, const char *line, size_t length, Error *e)
{
    if (!head)
        return take_group(w, line, length);
    json_error_t why;
    json_t *old = json_loadb(line, length, 0, &why);
    if (old)
        check_head(w, old, e);
    json_decref(old);
    return old != NULL;
}

/* Reads the journal, if there is one, and cuts off what a kill left at its end. */
static Status resume(Journal *w, Error *e)
{
    Text text = {0};
    size_t good = 0;
    if (e->status != OK || !file_exists(w->path))
        return e->status;
    file_read(&text, w->path, (size_t)1 << 31, e);
    const char *p = text_string(&text);
    const char *end = strchr(p, '\n');
    while (e->status == OK && end && take_line(w, good == 0, p, (size_t)(end - p), e)) {
        p = end + 1;
        good = (size_t)(p - text.data);
        end = strchr(p, '\n');
    }
    if (e->status == OK && good < text.count)
        file_truncate(w->path, (int64_t)good, e);
    text_free(&text);
    return e->status;
}

static Status append(const Journal *w, const json_t *value, Error *e)
{
    Text line = {0};
    json_print(&line, value, JSON_COMPACT, e);
    text_add(&line, "\n", e);
    file_append(w->path, text_string(&line), line.count, e);
    text_free(&line);
    return e->status;
}

/* Gets whoever answers ready. A new journal starts with its head. */
static Status begin(Journal *w, Error *e)
{
    const bool is_new = !w->batch;
    if (e->status != OK)
        return e->status;
    w->work->begin(w->work->who, w->questions->question, &w->batch, e);
    if (is_new) {
        json_put(w->head, "batch", json_integer(w->batch), e);
        append(w, w->head, e);
    }
    return e->status;
}

static Status do_group(Journal *w, Error *e)
{
    const int64_t n = min_i64(w->batch, w->questions->count - w->done);
    char **texts = w->texts + w->done;
    w->work->answer(w->work->who, w->questions->question + w->done, w->done, n, texts, e);
    map_guard_check(e);
    json_t *list = json_array();
    for (int64_t i = 0; i < n && e->status == OK; i++)
        json_append(list, json_string(texts[i]), e);
    json_t *line = json_pack("{s:I, s:O}", "first", (json_int_t)w->done, "texts", list);
    append(w, line, e);
    json_decref(line);
    json_decref(list);
    if (e->status == OK)
        w->done += n;
    return e->status;
}

static Status do_rest(Journal *w, Error *e)
{
    Progress progress;
    begin(w, e);
    progress_begin(&progress, &w->job->log, w->name, w->done, w->questions->count);
    while (e->status == OK && w->done < w->questions->count) {
        if (*w->job->stop)
            error_set(e, INTERRUPTED, "interrupted");
        else
            do_group(w, e);
        progress_show(&progress, w->done, NULL);
    }
    return e->status;
}

static char *journal_path(const Job *j, const char *name, Error *e)
{
    Text file = {0};
    text_format(&file, e, "%s.journal.jsonl", name);
    char *path = job_path(j, text_string(&file), e);
    text_free(&file);
    return path;
}

Status journal_run(const Job *j, const char *name, const Questions *q, const GroupWork *work, char **texts,
                   Error *e)
{
    Journal w = {.job = j,
                 .name = name,
                 .questions = q,
                 .work = work,
                 .path = journal_path(j, name, e),
                 .texts = texts};
    describe(&w, e);
    resume(&w, e);
    if (e->status == OK && w.done)
        log_info(&j->log, "%s: resumes after %lld of %lld", name, (long long)w.done, (long long)q->count);
    if (e->status == OK && w.done < q->count)
        do_rest(&w, e);
    json_decref(w.head);
    free(w.path);
    return e->status;
}

Status journal_remove(const Job *j, const char *name, Error *e)
{
    char *path = journal_path(j, name, e);
    file_remove(path, e);
    free(path);
    return e->status;
}
