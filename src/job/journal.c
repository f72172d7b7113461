#include "job/journal.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "job/fingerprint.h"
#include "tensor/gemm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The journal: one line that says what is being done, then one line per finished group:
 * {"first": index, "texts": [...]}. */
typedef struct {
    const Stage *s;
    const Job *job;
    char *path;
    json_t *head; /* what must be the same to go on */
    int64_t batch;
    int64_t done; /* questions answered so far */
    char **texts;
} Work;

static const char *const head_parts[] = {"model", "questions", "settings", "arithmetic"};

static uint64_t hash_questions(const Job *job)
{
    uint64_t h = HASH_START;
    for (int64_t i = 0; i < job->count; i++) {
        h = hash_text(h, job->questions[i].text);
        for (int64_t k = 0; k < job->questions[i].n_images; k++) {
            int64_t size = file_size(job->questions[i].images[k]);
            h = hash_bytes(hash_text(h, job->questions[i].images[k]), &size, sizeof size);
        }
    }
    return h;
}

static Status describe(Work *w, Error *e)
{
    PictureOptions l = stage_limits(w->s);
    Text settings = {0};
    char model[40], questions[40];
    snprintf(model, sizeof model, "%016llx", (unsigned long long)fingerprint_model(w->job->model, e));
    snprintf(questions, sizeof questions, "%016llx", (unsigned long long)hash_questions(w->job));
    if (e->status == OK &&
        text_format(&settings, e, "max_new_tokens %lld, pixels %lld to %lld%s, seed %lld",
                    (long long)w->job->max_new_tokens, (long long)l.min_pixels, (long long)l.max_pixels,
                    l.published ? " published" : "", (long long)w->s->config.run.seed))
        w->head =
            json_pack("{s:s, s:s, s:s, s:s, s:I}", "model", model, "questions", questions, "settings",
                      settings.data, "arithmetic", gemm_description(), "count", (json_int_t)w->job->count);
    text_free(&settings);
    return w->head ? OK : error_set(e, NO_MEMORY, "out of memory");
}

/* Whether the journal's first line describes this job; names what differs. */
static Status check_head(Work *w, const json_t *old, Error *e)
{
    for (size_t i = 0; i < sizeof head_parts / sizeof *head_parts; i++)
        if (!json_equal(json_object_get(old, head_parts[i]), json_object_get(w->head, head_parts[i])))
            return error_set(
                e, BAD_USAGE,
                "%s: was begun with another %s; remove it to start anew, or use the former configuration",
                w->path, head_parts[i]);
    w->batch = json_integer_value(json_object_get(old, "batch"));
    return w->batch > 0 ? OK
                        : error_set(e, BAD_INPUT,
                                    "%s: its first line lacks \"batch\"; remove it to start anew", w->path);
}

/* Takes one finished group over; false: the line is not whole, or not the next one. */
static bool take_group(Work *w, const char *line, size_t count)
{
    json_error_t why;
    json_t *o = json_loadb(line, count, 0, &why), *texts = json_object_get(o, "texts");
    int64_t n = (int64_t)json_array_size(texts);
    bool good = json_is_integer(json_object_get(o, "first")) &&
                json_integer_value(json_object_get(o, "first")) == w->done && n &&
                w->done + n <= w->job->count;
    for (int64_t i = 0; i < n && good; i++) {
        const char *text = json_string_value(json_array_get(texts, (size_t)i));
        Error e = {0};
        good = text && (w->texts[w->done + i] = memory_copy(text, &e));
    }
    for (int64_t i = 0; i < n && !good && w->done + i < w->job->count; i++) {
        free(w->texts[w->done + i]);
        w->texts[w->done + i] = NULL;
    }
    if (good)
        w->done += n;
    json_decref(o);
    return good;
}

/* Reads the journal, if there is one, and cuts off what a kill left unfinished at its end. */
static Status resume(Work *w, Error *e)
{
    Text text = {0};
    if (!file_exists(w->path))
        return OK;
    Status status = file_read(&text, w->path, (size_t)1 << 31, e);
    size_t good = 0;
    for (const char *p = text_string(&text), *end; status == OK && (end = strchr(p, '\n')); p = end + 1) {
        if (p == text.data) {
            json_error_t why;
            json_t *head = json_loadb(p, (size_t)(end - p), 0, &why);
            if (head)
                status = check_head(w, head, e);
            json_decref(head);
            if (!head)
                break;
        } else if (!take_group(w, p, (size_t)(end - p))) {
            break;
        }
        good = (size_t)(end + 1 - text.data);
    }
    if (status == OK && good < text.count)
        status = file_truncate(w->path, (int64_t)good, e);
    if (status == OK && !good)
        w->batch = 0;
    text_free(&text);
    return status;
}

static Status append(const Work *w, const json_t *value, Error *e)
{
    Text line = {0};
    char *json = json_dumps(value, JSON_COMPACT);
    Status status =
        json && text_format(&line, e, "%s\n", json) ? OK : error_set(e, NO_MEMORY, "out of memory");
    if (status == OK)
        status = file_append(w->path, line.data, line.count, e);
    text_free(&line);
    free(json);
    return status;
}

/* How many questions are computed together: annotate.batch, or the largest of 32, 16, ... that
 * takes at most half of the memory; judged by the first question. */
static Status choose_batch(Work *w, const Vlm *vlm, Error *e)
{
    PictureOptions limits = stage_limits(w->s);
    Samples first;
    Status status = samples_load(&first, vlm, w->job->questions, 1, &limits, NULL, e);
    int64_t rows = status == OK ? first.sample->count : 0;
    samples_free(&first);
    w->batch = w->s->config.annotate.batch;
    uint64_t room = stage_memory(w->s);
    if (!w->batch)
        for (w->batch = 32; w->batch > 1 && room &&
                            (uint64_t)generate_bytes(vlm, w->batch, rows, w->job->max_new_tokens) > room / 2;)
            w->batch /= 2;
    if (status == OK)
        status = stage_check_memory(w->s, generate_bytes(vlm, w->batch, rows, w->job->max_new_tokens),
                                    "a group of answers", e);
    if (status == OK) {
        json_object_set_new(w->head, "batch", json_integer(w->batch));
        status = append(w, w->head, e);
    }
    return status;
}

/* The answer as a string: NUL characters, which a JSON reader may refuse, are left out. Owned. */
static char *without_nul(const Text *t, Error *e)
{
    char *out = memory_copy_bytes(text_string(t), t->count, e), *to = out;
    for (size_t i = 0; out && i < t->count; i++)
        if (t->data[i])
            *to++ = t->data[i];
    if (out)
        *to = 0;
    return out;
}

static Status do_group(Work *w, const Vlm *vlm, Error *e)
{
    int64_t n = w->job->count - w->done < w->batch ? w->job->count - w->done : w->batch;
    Reply *replies = memory_new(n, sizeof *replies, e);
    PictureOptions limits = stage_limits(w->s);
    Decoding d = {.config = &vlm->generation,
                  .max_new_tokens = w->job->max_new_tokens,
                  .seed = (uint64_t)w->s->config.run.seed,
                  .first_index = (uint64_t)w->done}; /* no stop: a group that was begun is finished first */
    Status status =
        replies ? answer_questions(vlm, w->job->questions + w->done, n, &limits, &d, replies, e) : NO_MEMORY;
    json_t *texts = status == OK ? json_array() : NULL;
    for (int64_t i = 0; i < n && status == OK; i++)
        if (!(w->texts[w->done + i] = without_nul(&replies[i].text, e)) ||
            json_array_append_new(texts, json_string(w->texts[w->done + i])))
            status = error_set(e, NO_MEMORY, "out of memory");
    if (status == OK) {
        json_t *line = json_pack("{s:I, s:O}", "first", (json_int_t)w->done, "texts", texts);
        status = append(w, line, e);
        json_decref(line);
    }
    json_decref(texts);
    if (status == OK)
        w->done += n;
    for (int64_t i = 0; replies && i < n; i++)
        reply_free(replies + i);
    free(replies);
    return status;
}

static Status do_rest(Work *w, Error *e)
{
    Vlm vlm;
    Progress progress;
    Status status = stage_open_model(w->s, &vlm, w->job->model, e);
    if (status != OK)
        return status;
    if (!w->batch)
        status = choose_batch(w, &vlm, e);
    progress_begin(&progress, &w->s->log, w->job->name, w->done, w->job->count);
    while (status == OK && w->done < w->job->count) {
        if (*w->s->stop)
            status = error_set(e, INTERRUPTED, "interrupted");
        else
            status = do_group(w, &vlm, e);
        progress_show(&progress, w->done, NULL);
    }
    vlm_close(&vlm);
    return status;
}

static char *journal_path(const Stage *s, const char *name, Error *e)
{
    Text file = {0};
    char *path = text_format(&file, e, "%s.journal.jsonl", name) ? stage_path(s, file.data, e) : NULL;
    text_free(&file);
    return path;
}

Status job_run(const Stage *s, const Job *job, char ***texts, Error *e)
{
    Work w = {.s = s,
              .job = job,
              .path = journal_path(s, job->name, e),
              .texts = memory_new(job->count, sizeof *w.texts, e)};
    Status status = w.path && w.texts ? describe(&w, e) : NO_MEMORY;
    if (status == OK)
        status = resume(&w, e);
    if (status == OK && w.done)
        log_info(&s->log, "%s: going on after %lld of %lld", job->name, (long long)w.done,
                 (long long)job->count);
    if (status == OK && w.done < job->count)
        status = do_rest(&w, e);
    if (status == OK) {
        *texts = w.texts;
    } else {
        for (int64_t i = 0; w.texts && i < job->count; i++)
            free(w.texts[i]);
        free(w.texts);
    }
    json_decref(w.head);
    free(w.path);
    return status;
}

Status job_finish(const Stage *s, const char *name, Error *e)
{
    char *path = journal_path(s, name, e);
    Status status = path ? file_remove(path, e) : NO_MEMORY;
    free(path);
    return status;
}
