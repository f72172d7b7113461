/* Reads the files of a run folder. stage_check_results has refused what was changed before; what is merely
 * out of date, because an earlier file was edited, is left out here. */
#include "report/record.h"

#include "base/file.h"
#include "data/items.h"
#include "data/match.h"
#include "data/pictures.h"
#include "job/cost.h"
#include "job/provenance.h"
#include "mpa/audit.h"
#include "mpa/result.h"
#include "report/heat.h"

#include <stdlib.h>
#include <string.h>

const char *const model_title[MODELS] = {
    [MODEL_STUDENT] = "student", [MODEL_ALIGNED] = "aligned student", [MODEL_TEACHER] = "teacher"};

static const Result test_result[MODELS] = {[MODEL_STUDENT] = RESULT_TEST_STUDENT,
                                           [MODEL_ALIGNED] = RESULT_TEST_ALIGNED,
                                           [MODEL_TEACHER] = RESULT_TEST_TEACHER};

const char *text_in(const json_t *o, const char *key)
{
    return json_string_value(json_object_get(o, key));
}

json_t *readable(const json_t *value)
{
    return (json_t *)(uintptr_t)value;
}

/* Whether all earlier results that the result was made of may be shown. */
static bool is_of_shown(const Job *j, Result r, const bool *shown, Error *e)
{
    json_t *entry = provenance_read(j, result_name[r], e);
    bool all = true;
    for (int of = 0; of < (int)r; of++) {
        const json_t *input = json_object_get(json_object_get(entry, "inputs"), result_name[of]);
        all &= shown[of] || !input || json_is_null(input);
    }
    json_decref(entry);
    return all;
}

/* Whether each result may be shown: it and all that it was made of are true or were put there by hand. Those
 * that are there and may not are named in left_out. */
static Status look(const Job *j, bool *shown, json_t *left_out, Error *e)
{
    for (int r = 0; r < RESULTS && e->status == OK; r++) {
        const ResultState state = result_state(j, (Result)r, NULL, e);
        shown[r] = state != STATE_OUTDATED && state != STATE_CHANGED &&
                   (state == STATE_BY_HAND || is_of_shown(j, (Result)r, shown, e));
        if (!shown[r] && state != STATE_NONE)
            json_append(left_out, json_string(result_name[r]), e);
    }
    return e->status;
}

/* {id as text: row} of a list of rows. Owned reference. */
static json_t *by_id(const json_t *rows, Error *e)
{
    Text id = {0};
    json_t *all = json_object();
    json_t *row;
    size_t i;
    json_array_foreach(rows, i, row)
    {
        text_clear(&id);
        id_text(&id, json_object_get(row, "question_id"), e);
        json_put(all, text_string(&id), json_incref(row), e);
    }
    text_free(&id);
    return all;
}

static json_t *read_answers(const Job *j, Result r, bool shown, Error *e)
{
    Json list = {0};
    char *path = job_path(j, result_name[r], e);
    if (path && shown && file_exists(path))
        job_read_list(&list, path, e);
    json_t *rows = by_id(list.root, e);
    json_close(&list);
    free(path);
    return rows;
}

/* A file that is an object; an empty one where it is not there. */
static json_t *read_object(const Job *j, const char *name, bool shown, Error *e)
{
    Json file = {0};
    json_t *o = NULL;
    char *path = job_path(j, name, e);
    if (path && shown && file_exists(path)) {
        json_open(&file, path, JSON_DATA, e);
        o = json_is_object(file.root) ? json_incref(file.root) : NULL;
    }
    json_close(&file);
    free(path);
    return o ? o : json_object();
}

/* Without decisions where these are out of date; then the annotations may be those of before, too. */
static json_t *read_audit(const Job *j, bool identified, Error *e)
{
    static const char *const decided[] = {"student", "teacher", "normalised", "decision", "reason"};
    json_t *line;
    const char *id;
    if (!identified && result_state(j, RESULT_ANNOTATIONS, NULL, e) != STATE_TRUE)
        return json_object();
    json_t *lines = audit_lines(j, e);
    json_object_foreach(lines, id, line)
    {
        for (size_t i = 0; !identified && i < sizeof decided / sizeof *decided; i++)
            json_object_del(line, decided[i]);
    }
    return lines;
}

/* A step names the loss of each of its pairs, {"pairs": {id: loss}}. */
static json_t *losses_of(const json_t *steps, Error *e)
{
    json_t *all = json_object();
    const json_t *step;
    json_t *loss;
    const char *id;
    size_t i;
    json_array_foreach(steps, i, step)
    {
        json_object_foreach(json_object_get(step, "pairs"), id, loss)
        {
            if (!json_object_get(all, id))
                json_put(all, id, json_array(), e);
            json_append(json_object_get(all, id), json_incref(loss), e);
        }
    }
    return all;
}

Status record_read(Record *r, const Job *j, Error *e)
{
    bool shown[RESULTS] = {false};
    bool scored = true;
    *r = (Record){.job = j, .left_out = json_array()};
    look(j, shown, r->left_out, e);
    for (int m = 0; m < MODELS; m++) {
        scored &= shown[test_result[m]];
        r->test[m] = read_answers(j, test_result[m], shown[test_result[m]], e);
    }
    const bool trained = shown[RESULT_ALIGNED];
    r->audit = read_audit(j, shown[RESULT_PARITY], e);
    r->scores = read_object(j, "scores.json", scored, e);
    r->made = read_object(j, "provenance.json", true, e);
    r->steps = trained ? job_read_lines(j, "metrics.jsonl", e) : json_array();
    r->losses = losses_of(r->steps, e);
    return e->status;
}

Status record_costs(Record *r, Error *e)
{
    r->costs = cost_read(r->job, e);
    return e->status;
}

Status record_heat(Record *r, int64_t pairs, Error *e)
{
    json_t *ids = heat_choose(r->job, r->audit, pairs, e);
    r->heat = heat_maps(r->job, r->audit, ids, e);
    json_decref(ids);
    return e->status;
}

char *record_picture(const Job *j, const json_t *line, Error *e)
{
    const PictureSource source = picture_source_data(&j->config);
    PictureFaults faults = {0};
    Error why = {0};
    const bool asks = e->status == OK && text_in(line, "question") && text_in(line, "image_path");
    char *file = asks ? picture_file(&source, text_in(line, "image_path"), &faults, &why) : NULL;
    picture_faults_end(&faults, &source, &why);
    error_take_memory(e, &why);
    return file;
}

void record_close(Record *r)
{
    json_decref(r->audit);
    json_decref(r->scores);
    json_decref(r->steps);
    json_decref(r->losses);
    json_decref(r->made);
    json_decref(r->left_out);
    json_decref(r->heat);
    json_decref(r->now);
    json_decref(r->costs);
    for (int m = 0; m < MODELS; m++)
        json_decref(r->test[m]);
    *r = (Record){0};
}

Answer record_answer(const Record *r, int model, const char *id, Error *e)
{
    const json_t *row = json_object_get(r->test[model], id);
    Answer a = {.said = text_in(row, "predictions")};
    if (!a.said || !text_in(row, "GT_answer"))
        return a;
    a.right = match_right(text_in(row, "GT_answer"), a.said, e);
    return a;
}

bool record_kept(const json_t *line)
{
    const char *decision = text_in(line, "decision");
    return decision && !strcmp(decision, "kept");
}
