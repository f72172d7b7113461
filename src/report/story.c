/* The story is put together from the run folder: audit.jsonl has what annotator and identifier did,
 * metrics.jsonl in which updates of the training a pair was. Only what the aligned student says now is
 * asked for, and kept in the run's journal as any answer. */
#include "report/story.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "base/word.h"
#include "data/match.h"
#include "data/prompt.h"
#include "mpa/audit.h"
#include "mpa/depends.h"
#include "mpa/holdout.h"
#include "mpa/reply.h"
#include "report/record.h"

#include <stdlib.h>
#include <string.h>

static json_t *copy_of(const json_t *o, const char *key)
{
    json_t *value = json_object_get(o, key);
    return value ? json_incref(value) : json_null();
}

/* ---------------------------------------------------------------------------------- the nearest ids */

enum { NEAREST = 3 };

/* The code points of a text: how many; *codes owned by the caller. */
static int64_t codes_of(const char *text, int32_t **codes, Error *e)
{
    const char *end = text + strlen(text);
    int64_t n = 0;
    *codes = memory_new((int64_t)strlen(text) + 1, sizeof **codes, e);
    while (*codes && text < end) {
        int used;
        (*codes)[n] = utf8_decode(text, end, &used);
        text += used;
        n++;
    }
    return n;
}

static int64_t distance(const char *a, const char *b, Error *e)
{
    int32_t *x;
    int32_t *y;
    const int64_t n = codes_of(a, &x, e);
    const int64_t m = codes_of(b, &y, e);
    int64_t *row = memory_new(m + 1, sizeof *row, e);
    const int64_t d = e->status == OK ? edit_distance(x, n, y, m, row) : 0;
    free(row);
    free(y);
    free(x);
    return d;
}

/* BAD_INPUT with the ids that are most like the one that is not there. */
static Status no_such_picture(const json_t *lines, const char *id, Error *e)
{
    const char *near[NEAREST] = {0};
    int64_t far[NEAREST] = {0};
    int count = 0;
    const char *one;
    json_t *line;
    json_object_foreach((json_t *)(uintptr_t)lines, one, line)
    {
        const int64_t d = distance(id, one, e);
        int at = count;
        while (at > 0 && far[at - 1] > d)
            at--;
        for (int i = count < NEAREST ? count : NEAREST - 1; i > at; i--) {
            near[i] = near[i - 1];
            far[i] = far[i - 1];
        }
        if (at < NEAREST) {
            near[at] = one;
            far[at] = d;
            count += count < NEAREST;
        }
    }
    return error_set(e, BAD_INPUT, "there is no picture %s in this run%s%s%s%s%s%s", id,
                     count ? "; the nearest: " : "", count ? near[0] : "", count > 1 ? ", " : "",
                     count > 1 ? near[1] : "", count > 2 ? ", " : "", count > 2 ? near[2] : "");
}

/* ------------------------------------------------------------------------------------- the chapters */

/* [first byte, bytes] of a piece of a text; null for none. */
static json_t *place_of(const char *text, Span piece)
{
    return piece.start ? json_pack("[I, I]", (json_int_t)(piece.start - text), (json_int_t)piece.count)
                       : json_null();
}

static json_t *annotation(const Job *j, const json_t *line, Error *e)
{
    const Config *c = &j->config;
    const char *raw = text_in(line, "raw");
    Text prompt = {0};
    Span question = {0};
    Span answer = {0};
    if (!*c->teacher.annotations)
        prompt_load(&prompt, NULL, &j->config, e);
    if (raw)
        reply_find(raw, &question, &answer);
    json_t *o = json_object();
    json_put(o, "model", *c->teacher.model ? json_string(c->teacher.model) : json_null(), e);
    json_put(o, "prompt", raw && prompt.count ? json_string(text_string(&prompt)) : json_null(), e);
    json_put(o, "raw", copy_of(line, "raw"), e);
    json_put(o, "question", copy_of(line, "question"), e);
    json_put(o, "answer", copy_of(line, "answer"), e);
    json_put(o, "question_at", place_of(raw, question), e);
    json_put(o, "answer_at", place_of(raw, answer), e);
    text_free(&prompt);
    return o;
}

/* What one of the models said, beside the normalised annotated answer. */
static json_t *said(const char *answer, const char *words, Error *e)
{
    Text normal = {0};
    if (!words)
        return json_null();
    match_normalise(&normal, words, e);
    json_t *o = json_pack("{s:s, s:s, s:b}", "said", words, "normalised", text_string(&normal), "contains",
                          answer && *answer && match_contains(answer, text_string(&normal)));
    text_free(&normal);
    return o;
}

/* The question as it was put to both models. Appended. */
static Status asked(const Job *j, const json_t *line, Text *out, Error *e)
{
    return text_format(out, e, "%s%s", text_in(line, "question"), j->config.identify.suffix);
}

static json_t *identification(const Job *j, const json_t *line, Error *e)
{
    const json_t *normal = json_object_get(line, "normalised");
    const char *answer = text_in(normal, "answer");
    Text question = {0};
    if (!text_in(line, "decision"))
        return json_null();
    if (text_in(line, "question"))
        asked(j, line, &question, e);
    json_t *o = json_object();
    json_put(o, "asked", question.count ? json_string(text_string(&question)) : json_null(), e);
    json_put(o, "answer", copy_of(normal, "answer"), e);
    json_put(o, "student", said(answer, text_in(line, "student"), e), e);
    json_put(o, "teacher", said(answer, text_in(line, "teacher"), e), e);
    json_put(o, "decision", copy_of(line, "decision"), e);
    json_put(o, "reason", copy_of(line, "reason"), e);
    text_free(&question);
    return o;
}

/* The updates that the pair took part in, from metrics.jsonl. */
static json_t *updates_of(const Job *j, const char *id, Error *e)
{
    json_t *list = json_array();
    json_t *steps = job_read_lines(j, "metrics.jsonl", e);
    json_t *step;
    size_t i;
    json_array_foreach(steps, i, step)
    {
        const json_t *loss = json_object_get(json_object_get(step, "pairs"), id);
        if (loss)
            json_append(list,
                        json_pack("{s:O, s:O, s:O}", "epoch", json_object_get(step, "epoch"), "step",
                                  json_object_get(step, "step"), "loss", loss),
                        e);
    }
    json_decref(steps);
    return list;
}

static json_t *training(const Job *j, const json_t *line, const char *id, Error *e)
{
    const char *decision = text_in(line, "decision");
    const bool kept = decision && !strcmp(decision, "kept");
    return json_pack("{s:b, s:b, s:o}", "kept", kept, "held_out", kept && holdout_has(holdout_part(j), id),
                     "updates", updates_of(j, id, e));
}

/* What the aligned student says to the question; null: there is none, or no picture. */
static json_t *now(const Job *j, const json_t *lines, const char *id, Error *e)
{
    json_t *ids = json_pack("[s]", id);
    json_t *answers = aligned_answers(j, lines, ids, e);
    const json_t *line = json_object_get(lines, id);
    json_t *o = said(text_in(json_object_get(line, "normalised"), "answer"), text_in(answers, id), e);
    json_decref(answers);
    json_decref(ids);
    return o;
}

Status story_nothing(const Job *j, Error *e)
{
    return error_set(e, BAD_USAGE, "%s: nothing has happened here yet; run `mpa run` first", j->folder);
}

json_t *story_of(const Job *j, const char *id, Error *e)
{
    json_t *lines = audit_lines(j, e);
    const json_t *line = json_object_get(lines, id);
    json_t *o = json_object();
    if (e->status == OK && !json_object_size(lines))
        story_nothing(j, e);
    else if (e->status == OK && !line)
        no_such_picture(lines, id, e);
    if (e->status == OK) {
        json_put(o, "id", copy_of(line, "question_id"), e);
        json_put(o, "image", copy_of(line, "image_path"), e);
        json_put(o, "annotate", annotation(j, line, e), e);
        json_put(o, "identify", identification(j, line, e), e);
        json_put(o, "level", training(j, line, id, e), e);
        json_put(o, "now", now(j, lines, id, e), e);
    }
    json_decref(lines);
    return o;
}
