/* The journal. Its invariant: it holds whole lines; a kill can leave half a line at the end, which
 * is cut off before work goes on. Lines are added, never changed. */
#include "job/journal.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/map_guard.h"
#include "base/number.h"
#include "job/fingerprint.h"
#include "base/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char file_name[] = "answers.jsonl";

enum { KEY_DIGITS = 20 };

typedef struct {
    const Job *job;
    const char *stage;
    const Questions *questions;
    const GroupWork *work;
    char *path;
    uint64_t context; /* hash of what the answers depend on besides the questions */
    uint64_t *keys;   /* [questions->count] */
    json_t *known;    /* key to text */
    int64_t batch;    /* questions per group; 0: not chosen yet. May be more than there are */
    bool ready;       /* whoever answers was begun */
    char **texts;
} Journal;

static void key_text(char text[KEY_DIGITS], uint64_t key)
{
    snprintf(text, KEY_DIGITS, "%016llx", (unsigned long long)key);
}

static const json_t *known_text(const Journal *w, int64_t i)
{
    char key[KEY_DIGITS];
    key_text(key, w->keys[i]);
    return json_object_get(w->known, key);
}

/* context := hash of what `who` says; keys of all questions. */
static Status describe(Journal *w, Error *e)
{
    const Questions *q = w->questions;
    json_t *context = json_object();
    w->work->describe(w->work->who, context, e);
    w->context = fingerprint_json(context, e);
    json_decref(context);
    w->keys = memory_new(q->count, sizeof *w->keys, e);
    for (int64_t i = 0; i < q->count && e->status == OK; i++) {
        const Question *one = q->question + i;
        uint64_t h = hash_text(hash_bytes(HASH_START, &w->context, sizeof w->context), one->text);
        for (int64_t k = 0; k < one->n_images; k++) {
            const uint64_t picture = fingerprint_file(w->job, one->images[k], e);
            h = hash_bytes(h, &picture, sizeof picture);
        }
        w->keys[i] = h;
    }
    return e->status;
}

/* --------------------------------------------------------------------------------------- reading */

static Status take_answers(Journal *w, const json_t *answers, Error *e)
{
    const json_t *one;
    size_t i;
    json_array_foreach(answers, i, one)
    {
        const char *key = json_string_value(json_object_get(one, "key"));
        json_t *text = json_object_get(one, "text");
        if (!key || !json_is_string(text))
            return error_set(e, BAD_INPUT, "answer %zu: wanted a key and a text", i);
        json_put(w->known, key, json_incref(text), e);
    }
    return e->status;
}

/* Takes over what the line says; *whole: it is a line of JSON. */
static Status take_line(Journal *w, const char *line, size_t length, bool *whole, Error *e)
{
    json_error_t why;
    json_t *o = json_loadb(line, length, 0, &why);
    const json_t *context = json_object_get(o, "context");
    *whole = o != NULL;
    if (!o && json_error_code(&why) == json_error_out_of_memory)
        error_set(e, NO_MEMORY, "out of memory");
    if (json_is_string(context)) {
        char mine[KEY_DIGITS];
        key_text(mine, w->context);
        const char *stage = json_string_value(json_object_get(o, "stage"));
        if (stage && !strcmp(stage, w->stage) && !strcmp(json_string_value(context), mine))
            w->batch = max_i64(json_integer_value(json_object_get(o, "batch")), 0);
    }
    take_answers(w, json_object_get(o, "answers"), e);
    json_decref(o);
    return e->status;
}

static Status take_lines(Journal *w, const char *text, size_t count, Error *e)
{
    const char *p = text;
    int64_t number = 0;
    while (e->status == OK && p < text + count) {
        const char *end = memchr(p, '\n', (size_t)(text + count - p));
        const char *next = end ? end + 1 : text + count;
        const bool last = next >= text + count;
        bool whole;
        Error why = {0};
        number++;
        take_line(w, p, (size_t)((end ? end : next) - p), &whole, &why);
        if (why.status == NO_MEMORY)
            error_set(e, NO_MEMORY, "%s: out of memory", w->path);
        else if (last && (!whole || !end))
            file_truncate(w->path, p - text, e);
        else if (!whole || why.status != OK)
            error_set(e, BAD_INPUT,
                      "%s: line %lld is damaged%s%s; remove that line, its answers are asked again", w->path,
                      (long long)number, whole ? ": " : "", why.text);
        p = next;
    }
    return e->status;
}

/* Reads the journal, if there is one, and cuts off what a kill left at its end. */
static Status read_journal(Journal *w, Error *e)
{
    Text text = {0};
    w->known = json_object();
    if (e->status == OK && file_exists(w->path)) {
        file_read(&text, w->path, (size_t)1 << 31, e);
        take_lines(w, text_string(&text), text.count, e);
    }
    text_free(&text);
    return e->status;
}

/* --------------------------------------------------------------------------------------- the work */

static Status append(const Journal *w, const json_t *value, Error *e)
{
    Text line = {0};
    json_print(&line, value, JSON_COMPACT, e);
    text_add(&line, "\n", e);
    file_append(w->path, text_string(&line), line.count, e);
    text_free(&line);
    return e->status;
}

/* Gets whoever answers ready. */
static Status begin(Journal *w, Error *e)
{
    const bool is_new = !w->batch;
    if (e->status != OK || w->ready)
        return e->status;
    w->ready = true;
    w->work->begin(w->work->who, w->questions->question, &w->batch, e);
    if (e->status == OK && is_new) {
        char context[KEY_DIGITS];
        key_text(context, w->context);
        json_t *line = json_pack("{s:s, s:s, s:I}", "stage", w->stage, "context", context, "batch",
                                 (json_int_t)w->batch);
        append(w, line, e);
        json_decref(line);
    }
    return e->status;
}

/* Which questions of first .. first + n - 1 have to be asked: those without an answer, each key
 * once. How many. */
static int64_t find_open(const Journal *w, int64_t first, int64_t n, int64_t *open)
{
    int64_t count = 0;
    for (int64_t i = first; i < first + n; i++) {
        bool asked = known_text(w, i) != NULL;
        for (int64_t k = 0; k < count; k++)
            asked |= w->keys[open[k]] == w->keys[i];
        if (!asked) {
            open[count] = i;
            count++;
        }
    }
    return count;
}

/* Puts the answers to the open questions into the journal. */
static Status keep_group(Journal *w, const int64_t *open, char *const *texts, int64_t count, Error *e)
{
    json_t *answers = json_array();
    for (int64_t i = 0; i < count && e->status == OK; i++) {
        char key[KEY_DIGITS];
        key_text(key, w->keys[open[i]]);
        json_append(
            answers,
            json_pack("{s:s, s:s, s:s}", "key", key, "id", w->questions->id[open[i]], "text", texts[i]), e);
    }
    json_t *line = json_pack("{s:s, s:O}", "stage", w->stage, "answers", answers);
    append(w, line, e);
    if (e->status == OK)
        take_answers(w, answers, e);
    json_decref(line);
    json_decref(answers);
    return e->status;
}

static Status ask_group(Journal *w, const int64_t *open, int64_t count, Error *e)
{
    Question *questions = memory_new(count, sizeof *questions, e);
    uint64_t *keys = memory_new(count, sizeof *keys, e);
    char **texts = memory_new(count, sizeof *texts, e);
    for (int64_t i = 0; i < count && e->status == OK; i++) {
        questions[i] = w->questions->question[open[i]];
        keys[i] = w->keys[open[i]];
    }
    if (e->status == OK)
        w->work->answer(w->work->who, questions, keys, count, texts, e);
    map_guard_check(e);
    keep_group(w, open, texts, count, e);
    for (int64_t i = 0; texts && i < count; i++)
        free(texts[i]);
    free(texts);
    free(keys);
    free(questions);
    return e->status;
}

/* How many of the questions first .. first + n - 1 have an answer. */
static int64_t count_known(const Journal *w, int64_t first, int64_t n)
{
    int64_t count = 0;
    for (int64_t i = first; i < first + n; i++)
        count += known_text(w, i) != NULL;
    return count;
}

/* `known`: how many questions have an answer. */
static Status ask_rest(Journal *w, int64_t known, Error *e)
{
    const int64_t count = w->questions->count;
    Progress progress;
    begin(w, e);
    const int64_t group = min_i64(w->batch, count);
    int64_t *open = memory_new(group, sizeof *open, e);
    progress_begin(&progress, &w->job->log, w->stage, known, count);
    for (int64_t first = 0; first < count && e->status == OK; first += group) {
        const int64_t n = min_i64(group, count - first);
        const int64_t before = count_known(w, first, n);
        const int64_t asked = find_open(w, first, n, open);
        if (asked && *w->job->stop)
            error_set(e, INTERRUPTED, "interrupted");
        else if (asked)
            ask_group(w, open, asked, e);
        known += e->status == OK ? n - before : 0;
        if (asked)
            progress_show(&progress, known, NULL);
    }
    free(open);
    progress_end(&progress);
    return e->status;
}

static Status copy_texts(Journal *w, Error *e)
{
    for (int64_t i = 0; i < w->questions->count && e->status == OK; i++)
        w->texts[i] = memory_copy(json_string_value(known_text(w, i)), e);
    return e->status;
}

Status journal_run(const Job *j, const char *stage, const Questions *q, const GroupWork *work, char **texts,
                   Error *e)
{
    Journal w = {.job = j,
                 .stage = stage,
                 .questions = q,
                 .work = work,
                 .path = job_path(j, file_name, e),
                 .texts = texts};
    describe(&w, e);
    read_journal(&w, e);
    const int64_t known = e->status == OK ? count_known(&w, 0, q->count) : 0;
    if (known)
        log_info(&j->log, "%s: %lld of %lld answers are known already", stage, (long long)known,
                 (long long)q->count);
    if (known < q->count)
        ask_rest(&w, known, e);
    copy_texts(&w, e);
    json_decref(w.known);
    free(w.keys);
    free(w.path);
    return e->status;
}
