/* Stage 1, pseudo annotator: the teacher looks at every picture and writes one question with its
 * answer. Reads the pictures of [data]; writes annotations.json, and audit.jsonl with the
 * teacher's own words. (The paper, section "Pseudo Annotator".) */
#include "mpa/stage.h"

#include "base/folder.h"
#include "data/items.h"
#include "data/metrics.h"
#include "data/prompt.h"
#include "job/answerer.h"
#include "job/exchange.h"
#include "mpa/audit.h"
#include "mpa/reply.h"

#include <stdlib.h>

static Status needs(const Job *j, Error *e)
{
    if (*j->config.teacher.annotations)
        return e->status;
    if (!j->exchange.import_path && !j->exchange.export_path)
        stage_needs_model(j, &j->config.teacher.model, e);
    return config_require(&j->config, &j->config.data.images, e);
}

static json_t *text_or_null(const char *text)
{
    return text ? json_string(text) : json_null();
}

/* One picture's entry in annotations.json, and its line in the audit. */
static Status add_entry(json_t *list, Text *audit, const Item *item, const char *raw, int64_t *parsed,
                        Error *e)
{
    char *question = NULL;
    char *answer = NULL;
    reply_parse(raw, &question, &answer, e);
    *parsed += question && answer;
    json_t *o =
        json_pack("{s:O, s:s, s:o, s:o, s:o, s:o}", "question_id", item->id, "image_path", item->image,
                  "ground_truth_question", text_or_null(item->question), "ground_truth_answer",
                  text_or_null(item->answers ? most_frequent(item->answers) : NULL), "predicted_question",
                  text_or_null(question), "predicted_answer", text_or_null(answer));
    json_append(list, o, e);
    audit_add(audit,
              &(AuditLine){
                  .id = item->id, .image = item->image, .raw = raw, .question = question, .answer = answer},
              e);
    free(question);
    free(answer);
    return e->status;
}

/* texts[i]: what the teacher said about item i. */
static Status write_results(const Job *j, const Items *items, char *const *texts, Error *e)
{
    json_t *list = json_array();
    Text audit = {0};
    int64_t parsed = 0;
    int64_t asked = 0;
    for (int64_t i = 0; i < items->count && e->status == OK; i++) {
        const Item *item = items->item + i;
        if (texts[i])
            add_entry(list, &audit, item, texts[i], &parsed, e);
        else if (item->why)
            audit_add(&audit,
                      &(AuditLine){
                          .id = item->id, .image = item->image, .decision = "skipped", .reason = item->why},
                      e);
        asked += texts[i] != NULL;
    }
    audit_write(j, &audit, e);
    if (j->exchange.import_path) /* not ours, as one that is put there by hand */
        job_write_json(j, result_name[RESULT_ANNOTATIONS], list, 4, e);
    else
        result_end(j, RESULT_ANNOTATIONS, list, 4, e);
    if (e->status == OK)
        log_info(&j->log, "annotate: %lld pictures annotated, %lld answers parsed (%.1f %%)%s",
                 (long long)asked, (long long)parsed, asked ? 100 * (double)parsed / (double)asked : 0,
                 items->skipped ? "; some pictures cannot be read and were skipped" : "");
    text_free(&audit);
    json_decref(list);
    return e->status;
}

/* The same instruction about each picture that is there. */
static Status make_questions(Questions *q, const Job *j, const Items *items, Error *e)
{
    Text prompt = {0};
    Text about = {0};
    if (prompt_load(&prompt, &about, &j->config, e) == OK && *j->config.annotate.prompt)
        log_info(&j->log, "annotate: instruction %s", text_string(&about));
    for (int64_t i = 0; i < items->count && e->status == OK; i++)
        if (items->item[i].file)
            questions_add(q, i, items->item[i].id, memory_copy(items->item[i].file, e), text_string(&prompt),
                          NULL, NULL, e);
    if (e->status == OK && !q->count)
        error_set(e, BAD_INPUT, "%s: all pictures are missing or cannot be read", j->config.data.images);
    text_free(&prompt);
    text_free(&about);
    return e->status;
}

/* The teacher's words, from the model or from a file of replies, and what becomes of them. */
static Status ask_teacher(const Job *j, const Items *items, const Questions *q, Error *e)
{
    const Config *c = &j->config;
    char **texts = memory_new(items->count, sizeof *texts, e);
    Answerer teacher = j->exchange.import_path ? answerer_replies(j, stage_annotate.name)
                                               : answerer_model(j, c->teacher.model, stage_annotate.name,
                                                                c->annotate.max_new_tokens);
    answerer_ask(&teacher, q, texts, e);
    write_results(j, items, texts, e);
    names_free(texts, items->count);
    return e->status;
}

static Status run(Job *j, Error *e)
{
    const Config *c = &j->config;
    if (*c->teacher.annotations) {
        log_info(&j->log, "annotate: annotations are given (%s)", config_name(c, &c->teacher.annotations));
        return OK;
    }
    Items items = {0};
    Questions q = {0};
    if (!j->exchange.import_path && !j->exchange.export_path)
        result_begin(j, RESULT_ANNOTATIONS, NULL, e);
    items_load_images(&items, c, e);
    items_list_skipped(&items, &j->log, "annotate");
    make_questions(&q, j, &items, e);
    if (j->exchange.export_path)
        exchange_export(j, &q, c->annotate.max_new_tokens, e);
    else
        ask_teacher(j, &items, &q, e);
    questions_free(&q);
    items_free(&items);
    return e->status;
}

const Stage stage_annotate = {"annotate", RESULT_ANNOTATIONS, RESULT_ANNOTATIONS, true, needs, run, NULL,
                              NULL};
