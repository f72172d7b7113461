/* Stage 2, parity identifier: student and teacher answer the annotated questions. Kept is a pair
 * on which the student is wrong and the teacher right: what only the teacher knows, and a guard
 * against the teacher's own bad annotations. Reads annotations.json; writes student.json,
 * teacher.json, audit.jsonl and parity.json. (The paper, section "Parity Identifier".) */
#include "mpa/stage.h"

#include "base/file.h"
#include "data/items.h"
#include "data/match.h"
#include "job/answerer.h"
#include "job/exchange.h"
#include "mpa/audit.h"
#include "mpa/pairs.h"
#include "mpa/select.h"

#include <stdlib.h>

/* Where the answers of student and teacher come from and go to. */
typedef struct {
    const char *const *model; /* the key of its checkpoint folder */
    const char *given;        /* file of answers made elsewhere; "": none */
    Result result;            /* in the run folder */
    const char *label;        /* of the questions that it is asked */
} Source;

static Source source_of(const Config *c, int who)
{
    if (who == TEACHER)
        return (Source){&c->teacher.model, c->teacher.answers, RESULT_TEACHER, "identify-teacher"};
    return (Source){&c->student.model, c->student.answers, RESULT_STUDENT, "identify-student"};
}

/* Whether answers are there already, and no model has to be asked. */
static bool has_answers(const Job *j, const Source *s)
{
    return *s->given || job_has(j, result_name[s->result]);
}

/* Whether it is the one that is asked by files. */
static bool is_elsewhere(const Job *j, int who)
{
    return (j->exchange.export_path || j->exchange.import_path) &&
           who == (j->exchange.student ? STUDENT : TEACHER);
}

/* Whom the selection does not need is not asked; answers that are there are read, for the audit, but those to
 * annotations say nothing of labels. */
static bool is_needed(const Job *j, int who)
{
    const Source s = source_of(&j->config, who);
    return select_asks(&j->config, who) || (j->config.identify.select != SELECT_LABELS && has_answers(j, &s));
}

static Status needs(const Job *j, Error *e)
{
    if (j->config.identify.select == SELECT_LABELS)
        return config_require(&j->config, &j->config.data.images, e);
    for (int who = 0; who < ANSWERERS; who++) {
        const Source s = source_of(&j->config, who);
        const bool elsewhere = is_elsewhere(j, who);
        if (elsewhere && has_answers(j, &s))
            return error_set(e, BAD_USAGE,
                             "%s: these answers are there already; remove them to ask for others",
                             *s.given ? s.given : result_name[s.result]);
        if (is_needed(j, who) && !has_answers(j, &s) && !elsewhere && !j->exchange.export_path)
            stage_needs_model(j, s.model, e);
    }
    return e->status;
}

/* ----------------------------------------------------------------------------------- the answers */

/* Whether a model is asked about the pair: there is a question, and with skip_teacher the teacher is
 * asked only where the student is wrong. */
static bool is_asked(const Job *j, const Pair *p, int who, Error *e)
{
    if (!p->question)
        return false;
    if (who == STUDENT || !j->config.identify.skip_teacher || !p->said[STUDENT])
        return true;
    return !match_right(p->answer, p->said[STUDENT], e);
}

/* The pairs' questions, each followed by the suffix. A file of answers is asked about all of them,
 * a model about those whose picture is there. */
static Status make_questions(Questions *q, const Job *j, Pairs *p, int who, bool looks, Error *e)
{
    const PictureSource pictures = picture_source_data(&j->config);
    PictureFaults faults = {0};
    for (int64_t i = 0; i < p->count && e->status == OK; i++) {
        Pair *pair = p->pair + i;
        if (looks && !is_asked(j, pair, who, e))
            continue;
        char *file = looks ? picture_file(&pictures, pair->image, &faults, e) : NULL;
        if (file || !looks) {
            questions_add(q, i, pair->id, file, pair->question, j->config.identify.suffix, NULL, e);
        } else if (e->status == OK) {
            picture_faults_show(&faults, &j->log, "identify");
            free(pair->fault);
            Text why = {0};
            text_format(&why, e, "its picture cannot be read (%s)", text_string(&faults.why));
            pair->fault = why.data;
        }
    }
    return picture_faults_end(&faults, &pictures, e);
}

static Status write_answers(const Job *j, const Pairs *p, int who, Result r, Error *e)
{
    json_t *list = json_array();
    for (int64_t i = 0; i < p->count; i++) {
        const Pair *pair = p->pair + i;
        if (pair->said[who])
            json_append(list,
                        json_pack("{s:O, s:s, s:s?, s:O, s:s}", "question_id", pair->id, "image_path",
                                  pair->image, "PA_question", pair->question, "PA_answer", pair->given,
                                  "predictions", pair->said[who]),
                        e);
    }
    if (is_elsewhere(j, who)) /* not ours, as one that is put there by hand */
        job_write_json(j, result_name[r], list, 4, e);
    else
        result_end(j, r, list, 4, e);
    json_decref(list);
    return e->status;
}

/* Answers of one of the two: from the configuration's file, the run folder's file, or the model. */
static Status get_answers(const Job *j, Pairs *p, int who, Error *e)
{
    const Config *c = &j->config;
    const Source s = source_of(c, who);
    const bool both_given = *c->teacher.answers && *c->student.answers;
    const bool elsewhere = is_elsewhere(j, who);
    bool use = !elsewhere;
    if (use && !*s.given)
        stage_use(&stage_identify, j, s.result, &use, e);
    if (!use && !elsewhere && !select_asks(c, who))
        return e->status;
    if (!use && !elsewhere)
        result_begin(j, s.result, NULL, e);
    char *file = job_given_or_path(j, s.given, result_name[s.result], e);
    Answerer a = use         ? answerer_file(file, both_given ? NULL : "PA_question", c->identify.suffix)
                 : elsewhere ? answerer_replies(j, s.label)
                             : answerer_model(j, *s.model, s.label, c->identify.max_new_tokens);
    if (who == STUDENT)
        a.adapter = j->config.student.adapter;
    Questions q = {0};
    char **texts = memory_new(p->count, sizeof *texts, e);
    make_questions(&q, j, p, who, a.looks, e);
    answerer_ask(&a, &q, texts, e);
    p->one_sided += a.unmatched;
    for (int64_t i = 0; texts && i < p->count; i++)
        p->pair[i].said[who] = texts[i];
    if (!use)
        write_answers(j, p, who, s.result, e);
    free(texts);
    free(file);
    questions_free(&q);
    return e->status;
}

/* Writes the requests to the one that is elsewhere. With skip_teacher the student's answers count, where
 * they are there. */
static Status export_requests(const Job *j, Pairs *p, Error *e)
{
    const int who = j->exchange.student ? STUDENT : TEACHER;
    const Source student = source_of(&j->config, STUDENT);
    Questions q = {0};
    if (who == TEACHER && has_answers(j, &student))
        get_answers(j, p, STUDENT, e);
    make_questions(&q, j, p, who, true, e);
    exchange_export(j, &q, j->config.identify.max_new_tokens, e);
    questions_free(&q);
    return e->status;
}

/* ---------------------------------------------------------------------------------- the decision */

/* Why the pair is kept or not. */
static const char *reason_of(const Config *c, const Pair *p)
{
    const char *selected = select_reason(c, p);
    const char *answer = text_string(&p->normal_answer);
    const char *student = text_string(&p->normal_said[STUDENT]);
    const char *teacher = text_string(&p->normal_said[TEACHER]);
    if (selected)
        return selected;
    if (!p->question)
        return "the annotation holds no question";
    if (!p->answer)
        return "the annotation holds no answer";
    if (!*answer)
        return "the annotated answer has no letter or digit";
    if (p->fault)
        return p->fault;
    if (!p->said[STUDENT])
        return "the student gave no answer";
    if (match_contains(answer, student))
        return "the student is right";
    if (!p->said[TEACHER])
        return "the teacher gave no answer";
    return match_contains(answer, teacher) ? "only the teacher is right"
                                           : "the teacher does not confirm its own annotation";
}

static Status decide(Pairs *p, Error *e)
{
    for (int64_t i = 0; i < p->count && e->status == OK; i++) {
        Pair *pair = p->pair + i;
        match_normalise(&pair->normal_answer, pair->answer, e);
        for (int who = 0; who < ANSWERERS; who++)
            match_normalise(&pair->normal_said[who], pair->said[who], e);
        pair->kept = pair->question && pair->answer && pair->said[STUDENT] && pair->said[TEACHER] &&
                     match_keep(text_string(&pair->normal_answer), text_string(&pair->normal_said[STUDENT]),
                                text_string(&pair->normal_said[TEACHER]));
    }
    return e->status;
}

/* ----------------------------------------------------------------------------------- the results */

/* The kept pairs in the LLaVA format. */
static Status write_parity(const Job *j, const Pairs *p, int64_t *kept, Error *e)
{
    json_t *list = json_array();
    Text value = {0};
    for (int64_t i = 0; i < p->count && e->status == OK; i++) {
        const Pair *pair = p->pair + i;
        if (!pair->kept)
            continue;
        text_clear(&value);
        text_format(&value, e, "<image>\n%s", pair->question);
        json_append(list,
                    json_pack("{s:O, s:s, s:[{s:s, s:s}, {s:s, s:O}]}", "id", pair->id, "image", pair->image,
                              "conversations", "from", "human", "value", text_string(&value), "from", "gpt",
                              "value", pair->given),
                    e);
    }
    *kept = (int64_t)json_array_size(list);
    result_end(j, RESULT_PARITY, list, 2, e);
    text_free(&value);
    json_decref(list);
    return e->status;
}

static Status write_audit(const Job *j, const Pairs *p, Error *e)
{
    json_t *before = audit_lines(j, e);
    Text audit = {0};
    for (int64_t i = 0; i < p->count && e->status == OK; i++) {
        const Pair *pair = p->pair + i;
        audit_add(&audit,
                  &(AuditLine){.id = pair->id,
                               .image = pair->image,
                               .raw = json_string_value(json_object_get(id_get(before, pair->id), "raw")),
                               .question = pair->question,
                               .answer = pair->answer,
                               .student = pair->said[STUDENT],
                               .teacher = pair->said[TEACHER],
                               .normal_answer = text_string(&pair->normal_answer),
                               .normal_student = text_string(&pair->normal_said[STUDENT]),
                               .normal_teacher = text_string(&pair->normal_said[TEACHER]),
                               .decision = pair->kept ? "kept" : "not kept",
                               .reason = reason_of(&j->config, pair)},
                  e);
    }
    audit_keep_skipped(&audit, before, e);
    audit_write(j, &audit, e);
    text_free(&audit);
    json_decref(before);
    return e->status;
}

/* The pairs to identify: from the student's file when both files of answers are given, else from the
 * annotations. */
static Status load_pairs(const Job *j, Pairs *p, Error *e)
{
    const Config *c = &j->config;
    if (c->identify.select == SELECT_LABELS)
        return select_labels(p, c, e);
    if (*c->teacher.answers && *c->student.answers)
        return pairs_read(p, c->student.answers, "PA_question", "PA_answer", e);
    char *path = job_given_or_path(j, c->teacher.annotations, result_name[RESULT_ANNOTATIONS], e);
    if (path && !file_exists(path))
        error_set(e, BAD_USAGE,
                  "%s: there are no annotations yet; run `mpa annotate` first, or set teacher.annotations",
                  path);
    pairs_read(p, path, "predicted_question", "predicted_answer", e);
    free(path);
    return e->status;
}

/* How many pairs are kept, and why the others are not. */
static Status report(const Job *j, const Pairs *p, int64_t kept, Error *e)
{
    Text reasons = {0};
    audit_reasons(j, &reasons, e);
    if (e->status == OK)
        log_info(&j->log, "identify: %lld of %lld pairs kept", (long long)kept, (long long)p->count);
    if (e->status == OK && reasons.count)
        log_info(&j->log, "identify: %s", text_string(&reasons));
    if (e->status == OK && p->one_sided)
        log_warning(&j->log, "identify: %lld answers or pairs have no counterpart and were left out",
                    (long long)p->one_sided);
    text_free(&reasons);
    return e->status;
}

/* Asks both, decides, and writes all results. */
static Status identify(const Job *j, Pairs *p, Error *e)
{
    int64_t kept = 0;
    for (int who = 0; who < ANSWERERS && e->status == OK; who++)
        if (is_needed(j, who))
            get_answers(j, p, who, e);
    decide(p, e);
    select_pairs(&j->config, p, e);
    result_begin(j, RESULT_PARITY, NULL, e);
    write_audit(j, p, e);
    write_parity(j, p, &kept, e);
    report(j, p, kept, e);
    return e->status;
}

static Status run(Job *j, Error *e)
{
    Pairs p = {0};
    load_pairs(j, &p, e);
    if (j->exchange.export_path)
        export_requests(j, &p, e);
    else
        identify(j, &p, e);
    pairs_free(&p);
    return e->status;
}

/* The annotator writes the audit anew, without decisions, also where its annotations stay the same. */
static bool is_whole(const Job *j)
{
    Error e = {0};
    json_t *lines = audit_lines(j, &e);
    const char *id;
    json_t *line;
    bool decided = true;
    json_object_foreach(lines, id, line) decided &= json_is_string(json_object_get(line, "decision"));
    json_decref(lines);
    return decided && e.status != NO_MEMORY;
}

const Stage stage_identify = {"identify", RESULT_STUDENT, RESULT_PARITY, true, needs, run, is_whole, NULL};
