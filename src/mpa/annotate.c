/* Stage 1, pseudo annotator: the teacher looks at every picture and writes one question with its
 * answer. Writes annotations.json, and audit.jsonl with the teacher's own words. */
#include "base/file.h"
#include "base/folder.h"
#include "mpa/audit.h"
#include "job/journal.h"
#include "mpa/reply.h"
#include "data/task.h"

#include <stdlib.h>
#include <string.h>

/* The instruction: a file, or the task's. Owned by the caller. */
static char *load_prompt(const Stage *s, Error *e)
{
    const char *path = s->config.annotate.prompt;
    Text text = {0};
    if (!*path)
        return memory_copy(task_find(s->config.data.task)->prompt, e);
    if (file_read(&text, path, 1 << 20, e) != OK || !text_add(&text, "", e)) {
        text_free(&text);
        return NULL;
    }
    return text.data;
}

static json_t *text_or_null(const char *text)
{
    return text ? json_string(text) : json_null();
}

/* One picture's entry in annotations.json, and its line in the audit. */
static Status add_entry(json_t *list, Text *audit, const Item *item, const char *raw, int64_t *parsed,
                        Error *e)
{
    char *question, *answer;
    Status status = reply_parse(raw, &question, &answer, e);
    if (status == OK) {
        *parsed += question && answer;
        json_t *o =
            json_pack("{s:O, s:s, s:o, s:o, s:o, s:o}", "question_id", item->id, "image_path", item->image,
                      "ground_truth_question", text_or_null(item->question), "ground_truth_answer",
                      text_or_null(item->answers ? most_frequent(item->answers) : NULL), "predicted_question",
                      text_or_null(question), "predicted_answer", text_or_null(answer));
        status = json_append(list, o, e);
    }
    if (status == OK)
        status = audit_add(
            audit,
            &(AuditLine){
                .id = item->id, .image = item->image, .raw = raw, .question = question, .answer = answer},
            e);
    free(question);
    free(answer);
    return status;
}

static Status write_results(const Stage *s, const Items *items, char **texts, Error *e)
{
    json_t *list = json_array();
    Text audit = {0};
    int64_t parsed = 0, asked = 0;
    Status status = OK;
    for (int64_t i = 0; i < items->count && status == OK; i++)
        if (items->item[i].present)
            status = add_entry(list, &audit, items->item + i, texts[asked++], &parsed, e);
    if (status == OK)
        status = audit_write(s, &audit, e);
    if (status == OK)
        status = stage_write_json(s, "annotations.json", list, 4, e);
    if (status == OK)
        status = job_finish(s, "annotate", e);
    if (status == OK)
        log_info(&s->log, "annotate: %lld pictures annotated, %lld answers parsed (%.1f %%)%s",
                 (long long)asked, (long long)parsed, asked ? 100 * (double)parsed / (double)asked : 0,
                 items->missing ? "; some pictures are missing and were skipped" : "");
    text_free(&audit);
    json_decref(list);
    return status;
}

Status stage_annotate(Stage *s, Error *e)
{
    if (stage_has(s, "annotations.json") || *s->config.teacher.annotations) {
        log_info(&s->log, "annotate: annotations are there already");
        return job_finish(s, "annotate", e); /* a kill may have come just before it */
    }
    if (config_require(&s->config, &s->config.teacher.model, e) != OK)
        return e->status;
    Items items = {0};
    char *prompt = load_prompt(s, e), **texts = NULL;
    Status status = prompt ? items_load_images(&items, &s->config, e) : e->status;
    int64_t count = 0;
    Question *questions = status == OK ? memory_new(items.count, sizeof *questions, e) : NULL;
    for (int64_t i = 0; questions && i < items.count; i++)
        if (items.item[i].present)
            questions[count++] =
                (Question){.images = (const char *const *)&items.item[i].file, .n_images = 1, .text = prompt};
    if (questions)
        items_list_missing(&items, &s->log, "annotate");
    if (questions && !count)
        error_set(e, BAD_INPUT, "%s: all pictures are missing", s->config.data.images);
    if (e->status == OK && job_run(s,
                                   &(Job){"annotate", s->config.teacher.model, questions, count,
                                          s->config.annotate.max_new_tokens},
                                   &texts, e) == OK)
        write_results(s, &items, texts, e);
    names_free(texts, texts ? count : 0);
    free(questions);
    free(prompt);
    items_free(&items);
    return e->status;
}
