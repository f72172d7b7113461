/* Evaluation: student, aligned student and teacher answer a labelled set. Writes
 * evaluation/MODEL.json and scores.json. */
#include "base/folder.h"
#include "job/journal.h"
#include "data/metrics.h"
#include "data/task.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef bool Metric(double *score, const char *prediction, const json_t *answers, Error *e);

static const struct {
    const char *name;
    Metric *metric;
} metrics[METRICS] = {[METRIC_MPA] = {"mpa", metric_mpa},
                      [METRIC_VQA] = {"vqa", metric_vqa},
                      [METRIC_ANLS] = {"anls", metric_anls},
                      [METRIC_RELAXED] = {"relaxed", metric_relaxed}};

static const char *const models[MODELS] = {
    [MODEL_STUDENT] = "student", [MODEL_ALIGNED] = "aligned", [MODEL_TEACHER] = "teacher"};

static bool is_wanted(const Stage *s, int metric)
{
    const unsigned wanted = s->config.evaluate.metric;
    if (wanted)
        return wanted & 1u << metric;
    return metric == METRIC_MPA || !strcmp(metrics[metric].name, task_find(s->config.data.task)->metric);
}

/* The metrics of one model's predictions, in percent: {"mpa": 51.5, ...}. Owned reference; NULL
 * with e set. */
static json_t *score(const Stage *s, const Items *items, char *const *texts, Error *e)
{
    json_t *o = json_object();
    for (int m = 0; m < METRICS && e->status == OK; m++) {
        double sum = 0, one;
        int64_t count = 0;
        if (!is_wanted(s, m))
            continue;
        for (int64_t i = 0; i < items->count && e->status == OK; i++)
            if (texts[i] && metrics[m].metric(&one, texts[i], items->item[i].answers, e)) {
                sum += one;
                count++;
            }
        json_put(o, metrics[m].name, json_real(count ? 100 * sum / (double)count : 0), e);
    }
    return o;
}

static Status write_predictions(const Stage *s, const char *name, const Items *items, char *const *texts,
                                Error *e)
{
    json_t *list = json_array();
    for (int64_t i = 0; i < items->count; i++)
        if (texts[i])
            json_append(list,
                        json_pack("{s:O, s:s, s:s, s:s, s:s}", "question_id", items->item[i].id, "image_path",
                                  items->item[i].image, "GT_question", items->item[i].question, "GT_answer",
                                  most_frequent(items->item[i].answers), "predictions", texts[i]),
                        e);
    Status status = stage_write_json(s, name, list, 4, e);
    json_decref(list);
    return status;
}

/* Predictions of a file for the items, by id: texts[count], NULL where the file has none. */
static Status read_predictions(const char *path, const Items *items, char **texts, Error *e)
{
    Json j;
    Text id = {0};
    if (stage_read_list(&j, path, e) != OK)
        return e->status;
    json_t *all = json_object();
    for (size_t i = 0; i < json_array_size(j.root) && e->status == OK; i++) {
        const json_t *o = json_array_get(j.root, i), *v = json_object_get(o, "question_id");
        text_clear(&id);
        const json_t *said = json_object_get(o, "predictions");
        if ((!json_is_integer(v) && !json_is_string(v)) || (!json_is_string(said) && !json_is_null(said)))
            error_set(e, BAD_INPUT,
                      "%s: entry %zu: wanted question_id (an integer or a string) and predictions (a string "
                      "or null)",
                      path, i);
        else if (id_text(&id, v, e))
            json_put(all, text_string(&id), json_string(json_is_string(said) ? json_string_value(said) : ""),
                     e);
    }
    for (int64_t i = 0; i < items->count && e->status == OK; i++) {
        text_clear(&id);
        const char *text = id_text(&id, items->item[i].id, e)
                               ? json_string_value(json_object_get(all, text_string(&id)))
                               : NULL;
        if (text)
            texts[i] = memory_copy(text, e);
    }
    text_free(&id);
    json_decref(all);
    json_close(&j);
    return e->status;
}

/* Asks a model all questions whose picture is there. */
static Status ask_model(const Stage *s, const char *name, const char *folder, Items *items, char **texts,
                        Error *e)
{
    if (items_find_pictures(items, &s->config, true, e) != OK)
        return e->status;
    items_list_missing(items, &s->log, "evaluate");
    char job_name[40], **prompts = memory_new(items->count, sizeof *prompts, e), **answers = NULL;
    Question *questions = memory_new(items->count, sizeof *questions, e);
    int64_t count = 0, taken = 0;
    snprintf(job_name, sizeof job_name, "evaluate-%s", name);
    for (int64_t i = 0; prompts && questions && i < items->count && e->status == OK; i++) {
        Text t = {0};
        if (!items->item[i].present ||
            !text_format(&t, e, "%s%s", items->item[i].question, s->config.identify.suffix))
            continue;
        prompts[count] = t.data;
        questions[count++] =
            (Question){.images = (const char *const *)&items->item[i].file, .n_images = 1, .text = t.data};
    }
    Job job = {job_name, folder, questions, count, s->config.identify.max_new_tokens};
    if (e->status == OK && count && job_run(s, &job, &answers, e) == OK)
        for (int64_t i = 0; i < items->count; i++)
            if (items->item[i].present) {
                texts[i] = answers[taken];
                answers[taken++] = NULL;
            }
    names_free(answers, answers ? count : 0);
    names_free(prompts, prompts ? items->count : 0);
    free(questions);
    return e->status;
}

/* One model's predictions: those of the run folder, or asked for now. */
static Status predict(const Stage *s, const char *name, Items *items, char **texts, Error *e)
{
    char file[60], job_name[40];
    snprintf(file, sizeof file, "evaluation/%s.json", name);
    snprintf(job_name, sizeof job_name, "evaluate-%s", name);
    char *path = stage_path(s, file, e), *folder = NULL;
    if (path && stage_has(s, file)) {
        read_predictions(path, items, texts, e);
    } else if (path) {
        folder = !strcmp(name, "aligned")
                     ? stage_path(s, "aligned", e)
                     : memory_copy(
                           !strcmp(name, "teacher") ? s->config.teacher.model : s->config.student.model, e);
        if (folder && ask_model(s, name, folder, items, texts, e) == OK)
            write_predictions(s, file, items, texts, e);
    }
    if (e->status == OK)
        job_finish(s, job_name, e);
    free(path);
    free(folder);
    return e->status;
}

/* Whether there is such a model in this run; says so when it was asked for and is not. */
static bool has_model(const Stage *s, int model)
{
    const char *const folder[MODELS] = {
        [MODEL_STUDENT] = s->config.student.model, [MODEL_TEACHER] = s->config.teacher.model};
    const char *name = models[model];
    if (!(s->config.evaluate.models & 1u << model))
        return false;
    char file[60];
    snprintf(file, sizeof file, "evaluation/%s.json", name);
    bool has = stage_has(s, file) || (model == MODEL_ALIGNED ? stage_has(s, "aligned") : *folder[model] != 0);
    if (!has)
        log_warning(&s->log, "evaluate: there is no %s model here; it is left out", name);
    return has;
}

static double score_of(const json_t *scores, const char *model, bool *known)
{
    const json_t *v = json_object_get(json_object_get(scores, model), "mpa");
    *known &= v != NULL;
    return json_number_value(v);
}

/* The gap between teacher and student before and after, and the share of it that was closed. */
static void add_gap(json_t *scores, Error *e)
{
    bool known = true;
    double student = score_of(scores, "student", &known), aligned = score_of(scores, "aligned", &known),
           teacher = score_of(scores, "teacher", &known);
    if (!known)
        return;
    double before = teacher - student, after = teacher - aligned;
    json_put(scores, "gap_before", json_real(before), e);
    json_put(scores, "gap_after", json_real(after), e);
    if (before > 0 || before < 0)
        json_put(scores, "gap_closed", json_real((before - after) / before), e);
}

static Status add_scores(const Stage *s, json_t *scores, const char *name, Items *items, bool predictions,
                         Error *e)
{
    char **texts = memory_new(items->count, sizeof *texts, e);
    Status status = texts ? OK : NO_MEMORY;
    if (status == OK)
        status = predictions ? read_predictions(s->config.evaluate.predictions, items, texts, e)
                             : predict(s, name, items, texts, e);
    int64_t without = 0;
    for (int64_t i = 0; i < items->count && status == OK; i++)
        without += !texts[i];
    if (status == OK && without == items->count)
        status =
            error_set(e, BAD_INPUT,
                      "evaluate: none of the %lld questions has a prediction by %s; are the ids the same?",
                      (long long)without, name);
    if (status == OK && without)
        log_warning(&s->log, "evaluate: %s: %lld of %lld questions have no prediction and are not scored",
                    name, (long long)without, (long long)items->count);
    if (status == OK)
        json_put(scores, name, score(s, items, texts, e), e);
    names_free(texts, texts ? items->count : 0);
    return e->status;
}

Status stage_evaluate(Stage *s, Error *e)
{
    Items items = {0};
    bool given = *s->config.evaluate.predictions != 0;
    json_t *scores = json_object();
    char *folder = stage_path(s, "evaluation", e);
    Status status = folder ? items_load_questions(&items, &s->config, e) : NO_MEMORY;
    if (status == OK && !given)
        status = folder_make(folder, e);
    if (status == OK && given)
        status = add_scores(s, scores, "predictions", &items, true, e);
    for (int m = 0; m < MODELS && status == OK && !given; m++)
        if (has_model(s, m))
            status = add_scores(s, scores, models[m], &items, false, e);
    if (status == OK && !json_object_size(scores))
        status = error_set(
            e, BAD_USAGE,
            "evaluate: there is no model to score; set student.model, teacher.model or evaluate.predictions");
    add_gap(scores, e);
    status = stage_write_json(s, "scores.json", scores, 2, e);
    json_decref(scores);
    items_free(&items);
    free(folder);
    return status;
}
