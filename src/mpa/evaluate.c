/* Stage 4, evaluation: student, aligned student and teacher answer a labelled set. Reads
 * [evaluate] questions and their pictures; writes evaluation/MODEL.json and scores.json. Answers
 * that are there are scored again, not asked again, also those of models that evaluate.models does
 * not name: so scores.json always has every model that has answered. */
#include "mpa/stage.h"

#include "base/file.h"
#include "base/folder.h"
#include "data/items.h"
#include "data/metrics.h"
#include "job/answerer.h"
#include "mpa/holdout.h"
#include "mpa/intervals.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* The models that can be scored. */
static const struct {
    const char *name; /* in scores.json */
    Result result;    /* its answers */
    const char *label;
} models[MODELS] = {
    [MODEL_STUDENT] = {"student", RESULT_TEST_STUDENT, "evaluate-student"},
    [MODEL_ALIGNED] = {"aligned", RESULT_TEST_ALIGNED, "evaluate-aligned"},
    [MODEL_TEACHER] = {"teacher", RESULT_TEST_TEACHER, "evaluate-teacher"},
};

/* Whether a model will look at the test pictures. */
static bool looks(const Job *j)
{
    bool some = false;
    for (int m = 0; m < MODELS; m++)
        some |= j->config.evaluate.models & 1u << m && !job_has(j, result_name[models[m].result]);
    return some && !*j->config.evaluate.predictions;
}

/* What is wrong with the test set is found before other stages work for hours, not after. */
static Status check_questions(const Job *j, Error *e)
{
    const PictureSource pictures = picture_source_questions(&j->config);
    Items items = {0};
    items_load_questions(&items, &j->config, e);
    if (e->status == OK && looks(j) && !pictures.skip)
        items_find_pictures(&items, &pictures, e);
    items_free(&items);
    return e->status;
}

static Status needs(const Job *j, Error *e)
{
    const Config *c = &j->config;
    if (*c->evaluate.predictions || !(c->evaluate.holdout > 0))
        config_require(c, &c->evaluate.questions, e);
    if (e->status == OK && *c->evaluate.questions && file_size(c->evaluate.questions) < 0)
        error_set(e, BAD_INPUT, "%s = %s: there is no such file", config_name(c, &c->evaluate.questions),
                  c->evaluate.questions);
    return e->status == OK && *c->evaluate.questions ? check_questions(j, e) : e->status;
}

/* ----------------------------------------------------------------------------------- the answers */

static bool is_named(const Job *j, int model)
{
    return j->config.evaluate.models & 1u << model;
}

/* Each item's question followed by the suffix. A model is asked about those whose picture is there; they
 * are looked for once, for the first model. */
static Status make_questions(Questions *q, const Job *j, Items *items, bool looks, Error *e)
{
    const PictureSource pictures = holdout_pictures(&j->config);
    if (looks && !items->item[0].file && !items->item[0].why) {
        items_find_pictures(items, &pictures, e);
        items_list_skipped(items, &j->log, "evaluate");
    }
    for (int64_t i = 0; i < items->count && e->status == OK; i++) {
        const Item *item = items->item + i;
        if (!looks || item->file)
            questions_add(q, i, item->id, looks ? memory_copy(item->file, e) : NULL, item->question,
                          j->config.identify.suffix, NULL, e);
    }
    return e->status;
}

static Status write_predictions(const Job *j, Result r, const Items *items, char *const *texts, Error *e)
{
    json_t *list = json_array();
    for (int64_t i = 0; i < items->count && e->status == OK; i++) {
        const Item *item = items->item + i;
        if (texts[i])
            json_append(list,
                        json_pack("{s:O, s:s, s:s, s:s, s:s}", "question_id", item->id, "image_path",
                                  item->image, "GT_question", item->question, "GT_answer",
                                  most_frequent(item->answers), "predictions", texts[i]),
                        e);
    }
    result_end(j, r, list, 4, e);
    json_decref(list);
    return e->status;
}

static Status ask(Answerer *a, const Job *j, Items *items, char **texts, Error *e)
{
    Questions q = {0};
    make_questions(&q, j, items, a->looks, e);
    answerer_ask(a, &q, texts, e);
    questions_free(&q);
    return e->status;
}

static Answerer answers_in(const Job *j, const char *path)
{
    return answerer_file(path, "GT_question", j->config.identify.suffix);
}

/* Without test questions, those are asked that the identifier asked: answers that were given to it
 * count here too. "": none. */
static const char *given_answers(const Config *c, int model)
{
    if (*c->evaluate.questions || model == MODEL_ALIGNED)
        return "";
    return model == MODEL_STUDENT ? c->student.answers : c->teacher.answers;
}

/* One model's predictions: those of the run folder, given ones, or asked for now. */
static Status predict(const Job *j, int model, Items *items, char **texts, Error *e)
{
    const Config *c = &j->config;
    const Result r = models[model].result;
    const char *given = given_answers(c, model);
    bool use = true; /* a model that is not named is scored by the answers that it has given */
    if (is_named(j, model))
        stage_use(&stage_evaluate, j, r, &use, e);
    char *source = use ? job_path(j, result_name[r], e) : stage_model(j, model, e);
    if (!use)
        result_begin(j, r, NULL, e);
    Answerer a = use ? answers_in(j, source)
                     : answerer_model(j, source, models[model].label, c->identify.max_new_tokens);
    if (!use && *given)
        a = answerer_file(given, "PA_question", c->identify.suffix);
    if (model == MODEL_STUDENT)
        a.adapter = c->student.adapter;
    ask(&a, j, items, texts, e);
    if (!use)
        write_predictions(j, r, items, texts, e);
    free(source);
    return e->status;
}

/* Whether the model can be scored: it has given answers that are still true, or it is named and there.
 * Says so when it is named and is not there. */
static bool has_model(const Job *j, int model, Error *e)
{
    if (!is_named(j, model))
        return result_holds(j, models[model].result, e);
    char *folder = stage_model(j, model, e);
    const bool has =
        folder || *given_answers(&j->config, model) || job_has(j, result_name[models[model].result]);
    if (!has && e->status == OK)
        log_warning(&j->log, "evaluate: no %s model is set or made yet; it is not scored",
                    models[model].name);
    free(folder);
    return has;
}

/* ------------------------------------------------------------------------------------ the scores */

/* `own`: the task's metric. */
static bool is_wanted(const Config *c, int metric, int own)
{
    if (c->evaluate.metric)
        return c->evaluate.metric & 1u << metric;
    /* One label, as held-out pictures have, leaves VQA accuracy nothing to compare with. */
    return metric == METRIC_MPA || (metric == own && (*c->evaluate.questions || own != METRIC_VQA));
}

/* VQA accuracy leaves each label out in turn: with three others or more an answer can be right. */
static void warn_of_few_labels(const Job *j, const Items *items, Error *e)
{
    const int own = task_metric(&j->config, e);
    int64_t few = 0;
    for (int64_t i = 0; i < items->count; i++)
        few += json_array_size(items->item[i].answers) < 4;
    if (few && (is_wanted(&j->config, METRIC_VQA, own) || is_wanted(&j->config, METRIC_VQA_2015, own)))
        log_warning(
            &j->log,
            "evaluate: %lld of %lld questions have fewer than 4 labels, with which VQA accuracy gives no "
            "answer its full score; evaluate.metric = mpa is made for them",
            (long long)few, (long long)items->count);
}

/* The metrics of one model's predictions, in percent: {"mpa": 51.5, ...}; value[METRICS] gets what each
 * question gave. Owned reference. */
static json_t *score(const Config *c, const Items *items, char *const *texts, double **value, Error *e)
{
    json_t *o = json_object();
    const int own = task_metric(c, e);
    for (int m = 0; m < METRICS && e->status == OK; m++) {
        double sum = 0;
        int64_t count = 0;
        if (!is_wanted(c, m, own))
            continue;
        value[m] = memory_new(items->count, sizeof *value[m], e);
        for (int64_t i = 0; i < items->count && e->status == OK; i++) {
            value[m][i] = NAN;
            if (texts[i]) {
                value[m][i] = metrics[m].score(texts[i], items->item[i].answers, e);
                sum += value[m][i];
                count++;
            }
        }
        json_put(o, metrics[m].name, json_real(count ? 100 * sum / (double)count : 0), e);
    }
    return o;
}

/* A model's score by the metric; *known becomes false where it has none. */
static double score_of(const json_t *scores, int model, const char *metric, bool *known)
{
    const json_t *v = json_object_get(json_object_get(scores, models[model].name), metric);
    *known &= v != NULL;
    return json_number_value(v);
}

/* By one metric: the gap between teacher and student before and after, and the share of it that was
 * closed (null where there was none). Owned reference; NULL: not all three are scored by it. */
static json_t *gap_by(const json_t *scores, const char *metric)
{
    bool known = true;
    const double student = score_of(scores, MODEL_STUDENT, metric, &known);
    const double aligned = score_of(scores, MODEL_ALIGNED, metric, &known);
    const double teacher = score_of(scores, MODEL_TEACHER, metric, &known);
    const double before = teacher - student;
    const double after = teacher - aligned;
    if (!known)
        return NULL;
    json_t *share = before > 0 || before < 0 ? json_real((before - after) / before) : json_null();
    return json_pack("{s:f, s:f, s:o}", "before", before, "after", after, "closed", share);
}

/* The gap by every metric; that of the paper's metric also stands in gap_before, gap_after and
 * gap_closed. */
static void add_gaps(json_t *scores, Error *e)
{
    static const char *const parts[] = {"before", "after", "closed"};
    json_t *all = json_object();
    for (int m = 0; m < METRICS; m++) {
        json_t *gap = gap_by(scores, metrics[m].name);
        if (gap)
            json_put(all, metrics[m].name, gap, e);
    }
    const json_t *first = json_object_get(all, metrics[METRIC_MPA].name);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char name[20];
        json_t *v = json_object_get(first, parts[i]);
        snprintf(name, sizeof name, "gap_%s", parts[i]);
        if (v && !json_is_null(v))
            json_put(scores, name, json_incref(v), e);
    }
    if (json_object_size(all))
        json_put(scores, "gap", json_incref(all), e);
    json_decref(all);
}

/* Scores the texts of all items as the model's; NULL among them: no prediction. Where there are none at
 * all, that is an error for what is `named`. */
static Status add_scores(const Job *j, json_t *scores, Values *values, int model, const Items *items,
                         char *const *texts, Error *e)
{
    const char *name = model == MODELS ? "predictions" : models[model].name;
    const bool named = model == MODELS || is_named(j, model);
    int64_t without = 0;
    if (e->status != OK)
        return e->status;
    for (int64_t i = 0; i < items->count; i++)
        without += !texts[i];
    if (without == items->count && !named) {
        log_warning(&j->log, "evaluate: %s: the answers that are there are to other questions; not scored",
                    name);
        return OK;
    }
    if (without == items->count)
        return error_set(e, BAD_INPUT,
                         "evaluate: none of the %lld questions has a prediction by %s; are the ids the same?",
                         (long long)without, name);
    if (without)
        log_warning(&j->log, "evaluate: %s: %lld of %lld questions have no prediction and are not scored",
                    name, (long long)without, (long long)items->count);
    values->name[model] = name;
    json_t *all = score(&j->config, items, texts, values->value[model], e);
    return json_put(scores, name, all, e);
}

/* `model`: one of models[], or MODELS for the file evaluate.predictions. */
static Status evaluate(const Job *j, int model, Items *items, json_t *scores, Values *values, Error *e)
{
    char **texts = memory_new(items->count, sizeof *texts, e);
    if (model == MODELS) {
        Answerer file = answers_in(j, j->config.evaluate.predictions);
        ask(&file, j, items, texts, e);
    } else {
        predict(j, model, items, texts, e);
    }
    add_scores(j, scores, values, model, items, texts, e);
    names_free(texts, items->count);
    return e->status;
}

/* The questions, and in the scores what they measure where no labels are there. */
static Status load_questions(const Job *j, Items *items, json_t *scores, Error *e)
{
    const bool labels = *j->config.evaluate.questions;
    if (!labels && !(holdout_part(j) > 0))
        config_require(&j->config, &j->config.evaluate.questions, e);
    holdout_or_questions(items, j, e);
    if (!labels)
        json_put(scores, "agreement_with_teacher", json_integer(items->count), e);
    return e->status;
}

/* Held-out pictures alone can be none; old scores would be of others. */
static Status no_questions(const Job *j, Error *e)
{
    char *path = job_path(j, "scores.json", e);
    log_warning(&j->log,
                "evaluate: no question about a held-out picture is confirmed by the teacher, so there is "
                "nothing to score; more pictures, or evaluate.questions, would help");
    if (path)
        file_remove(path, e);
    free(path);
    return e->status;
}

static Status run(Job *j, Error *e)
{
    Items items = {0};
    json_t *scores = json_object();
    load_questions(j, &items, scores, e);
    if (e->status == OK && !items.count) {
        json_decref(scores);
        return no_questions(j, e);
    }
    Values values = {.count = items.count};
    if (e->status == OK)
        warn_of_few_labels(j, &items, e);
    if (*j->config.evaluate.predictions) {
        evaluate(j, MODELS, &items, scores, &values, e);
    } else {
        char *folder = job_path(j, "evaluation", e);
        folder_make(folder, e);
        free(folder);
        for (int m = 0; m < MODELS && e->status == OK; m++)
            if (has_model(j, m, e))
                evaluate(j, m, &items, scores, &values, e);
    }
    if (e->status == OK && json_object_size(scores) < (*j->config.evaluate.questions ? 1 : 2))
        error_set(e, BAD_USAGE,
                  "evaluate: there is no model to score; set student.model, teacher.model or "
                  "evaluate.predictions");
    add_gaps(scores, e);
    intervals_put(scores, &values, e);
    result_begin(j, RESULT_SCORES, NULL, e);
    result_end(j, RESULT_SCORES, scores, 2, e);
    json_decref(scores);
    values_free(&values);
    items_free(&items);
    return e->status;
}

const Stage stage_evaluate = {"evaluate", RESULT_TEST_STUDENT, RESULT_TEST_TEACHER, false, needs, run, NULL,
                              NULL};
