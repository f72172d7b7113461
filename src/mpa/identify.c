/* Stage 2, parity identifier: student and teacher answer the annotated questions; kept is what
 * only the teacher gets right. Writes student.json, teacher.json, parity.json and audit.jsonl. */
#include "base/file.h"
#include "base/folder.h"
#include "base/random.h"
#include "mpa/audit.h"
#include "job/journal.h"
#include "data/match.h"
#include "mpa/pairs.h"

#include <stdlib.h>
#include <string.h>

/* Whether the model is asked about the pair: it needs a question, and where the teacher may be
 * skipped, a student that is wrong. */
static bool is_asked(const Stage *s, const Pair *p, bool teacher)
{
    if (!p->question)
        return false;
    if (!teacher || !s->config.identify.skip_teacher || !p->student)
        return true;
    Text a = {0}, b = {0};
    Error e = {0};
    bool wrong = match_normalise(&a, p->answer, &e) && match_normalise(&b, p->student, &e) &&
                 !match_contains(text_string(&a), text_string(&b));
    text_free(&a);
    text_free(&b);
    return wrong;
}

static Status write_answers(const Stage *s, const Pairs *p, bool teacher, Error *e)
{
    json_t *list = json_array();
    for (int64_t i = 0; i < p->count; i++) {
        const Pair *pair = p->pair + i;
        const char *text = teacher ? pair->teacher : pair->student;
        if (text)
            json_append(list,
                        json_pack("{s:O, s:s, s:s?, s:s?, s:s}", "question_id", pair->id, "image_path",
                                  pair->image, "PA_question", pair->question, "PA_answer", pair->answer,
                                  "predictions", text),
                        e);
    }
    Status status = stage_write_json(s, teacher ? "teacher.json" : "student.json", list, 4, e);
    json_decref(list);
    return status == OK ? job_finish(s, teacher ? "identify-teacher" : "identify-student", e) : status;
}

/* One model answers every pair's question followed by the suffix. */
static Status ask_model(const Stage *s, Pairs *p, bool teacher, Error *e)
{
    const char *const *model = teacher ? &s->config.teacher.model : &s->config.student.model;
    if (config_require(&s->config, model, e) != OK)
        return e->status;
    Question *questions = memory_new(p->count, sizeof *questions, e);
    char **files = memory_new(p->count, sizeof *files, e),
         **prompts = memory_new(p->count, sizeof *prompts, e), **texts = NULL;
    int64_t *which = memory_new(p->count, sizeof *which, e), count = 0;
    for (int64_t i = 0; questions && files && prompts && which && i < p->count && e->status == OK; i++) {
        Text t = {0};
        bool missing = false;
        if (!is_asked(s, p->pair + i, teacher))
            continue;
        files[count] = picture_file(&s->config, false, p->pair[i].image, &missing, e);
        if (missing)
            log_warning(&s->log, "identify: %s is missing; it is skipped", p->pair[i].image);
        if (!files[count] || !text_format(&t, e, "%s%s", p->pair[i].question, s->config.identify.suffix))
            continue;
        prompts[count] = t.data;
        questions[count] =
            (Question){.images = (const char *const *)&files[count], .n_images = 1, .text = prompts[count]};
        which[count++] = i;
    }
    Job job = {teacher ? "identify-teacher" : "identify-student", *model, questions, count,
               s->config.identify.max_new_tokens};
    if (e->status == OK && (!count || job_run(s, &job, &texts, e) == OK)) {
        for (int64_t i = 0; i < count; i++) {
            *(teacher ? &p->pair[which[i]].teacher : &p->pair[which[i]].student) = texts[i];
            texts[i] = NULL;
        }
        write_answers(s, p, teacher, e);
    }
    names_free(texts, texts ? count : 0);
    names_free(files, files ? p->count : 0);
    names_free(prompts, prompts ? p->count : 0);
    free(questions);
    free(which);
    return e->status;
}

/* Answers from the configuration's file, from the run folder, or from the model. */
static Status get_answers(const Stage *s, Pairs *p, bool teacher, Error *e)
{
    const char *given = teacher ? s->config.teacher.answers : s->config.student.answers,
               *name = teacher ? "teacher.json" : "student.json";
    if (*given)
        return pairs_join_answers(p, given, teacher, e);
    if (!stage_has(s, name))
        return ask_model(s, p, teacher, e);
    char *path = stage_path(s, name, e);
    Status status = path ? pairs_join_answers(p, path, teacher, e) : NO_MEMORY;
    free(path);
    return status == OK ? job_finish(s, teacher ? "identify-teacher" : "identify-student", e) : status;
}

/* Why the pair is kept or not, in the order in which it is asked. */
static const char *reason_of(const Pair *p)
{
    const char *answer = text_string(&p->normal[0]), *student = text_string(&p->normal[1]),
               *teacher = text_string(&p->normal[2]);
    if (!p->question)
        return "the annotation holds no question";
    if (!p->answer)
        return "the annotation holds no answer";
    if (!*answer)
        return "the annotated answer has no letter or digit";
    if (!p->student)
        return "the student gave no answer";
    if (match_contains(answer, student))
        return "the student is right";
    if (!p->teacher)
        return "the teacher gave no answer";
    return match_contains(answer, teacher) ? "only the teacher is right"
                                           : "the teacher does not confirm its own annotation";
}

static Status decide(Pairs *p, Error *e)
{
    for (int64_t i = 0; i < p->count; i++) {
        Pair *pair = p->pair + i;
        const char *const texts[] = {pair->answer, pair->student, pair->teacher};
        for (int k = 0; k < 3; k++)
            if (!match_normalise(&pair->normal[k], texts[k], e))
                return NO_MEMORY;
        pair->kept = pair->question && pair->answer && pair->student && pair->teacher &&
                     match_keep(text_string(&pair->normal[0]), text_string(&pair->normal[1]),
                                text_string(&pair->normal[2]));
    }
    return OK;
}

/* The ablations: every pair with question and answer, or as many of them at random as parity keeps. */
static Status select_other(const Stage *s, Pairs *p, Error *e)
{
    int64_t wanted = 0, *order = memory_new(p->count, sizeof *order, e);
    bool all = s->config.identify.select == SELECT_ALL;
    if (!order)
        return NO_MEMORY;
    for (int64_t i = 0; i < p->count; i++) {
        wanted += all || p->pair[i].kept;
        p->pair[i].kept = false;
    }
    random_permutation(order, p->count, (uint64_t)s->config.run.seed, 0);
    for (int64_t i = 0; i < p->count && wanted; i++) {
        Pair *pair = p->pair + order[i];
        if (pair->question && pair->answer) {
            pair->kept = true;
            wanted--;
        }
    }
    free(order);
    return OK;
}

static Status write_parity(const Stage *s, const Pairs *p, int64_t *kept, Error *e)
{
    json_t *list = json_array();
    Text value = {0};
    *kept = 0;
    for (int64_t i = 0; i < p->count && e->status == OK; i++) {
        const Pair *pair = p->pair + i;
        if (!pair->kept)
            continue;
        text_clear(&value);
        if (!text_format(&value, e, "<image>\n%s", pair->question))
            break;
        json_append(list,
                    json_pack("{s:O, s:s, s:[{s:s, s:s}, {s:s, s:s}]}", "id", pair->id, "image", pair->image,
                              "conversations", "from", "human", "value", value.data, "from", "gpt", "value",
                              pair->answer),
                    e);
        ++*kept;
    }
    Status status = e->status == OK ? stage_write_json(s, "parity.json", list, 2, e) : e->status;
    text_free(&value);
    json_decref(list);
    return status;
}

static Status write_audit(const Stage *s, const Pairs *p, Error *e)
{
    json_t *raw = audit_raw_texts(s, e);
    Text audit = {0}, id = {0};
    for (int64_t i = 0; i < p->count && e->status == OK; i++) {
        const Pair *pair = p->pair + i;
        text_clear(&id);
        if (!id_text(&id, pair->id, e))
            break;
        audit_add(&audit,
                  &(AuditLine){.id = pair->id,
                               .image = pair->image,
                               .raw = json_string_value(json_object_get(raw, text_string(&id))),
                               .question = pair->question,
                               .answer = pair->answer,
                               .student = pair->student,
                               .teacher = pair->teacher,
                               .normal_answer = text_string(&pair->normal[0]),
                               .normal_student = text_string(&pair->normal[1]),
                               .normal_teacher = text_string(&pair->normal[2]),
                               .decision = pair->kept ? "kept" : "not kept",
                               .reason = reason_of(pair)},
                  e);
    }
    Status status = e->status == OK ? audit_write(s, &audit, e) : e->status;
    text_free(&audit);
    text_free(&id);
    json_decref(raw);
    return status;
}

/* The pairs to identify: from both files of answers, or from the annotations. */
static Status load_pairs(const Stage *s, Pairs *p, Error *e)
{
    const char *annotations = s->config.teacher.annotations;
    if (*s->config.teacher.answers && *s->config.student.answers)
        return pairs_read(p, s->config.student.answers, "PA_question", "PA_answer", e);
    char *path = *annotations ? memory_copy(annotations, e) : stage_path(s, "annotations.json", e);
    if (path && !file_exists(path))
        error_set(e, BAD_USAGE,
                  "%s: there are no annotations yet; run `mpa annotate` first, or set teacher.annotations",
                  path);
    if (e->status == OK)
        pairs_read(p, path, "predicted_question", "predicted_answer", e);
    free(path);
    return e->status;
}

Status stage_identify(Stage *s, Error *e)
{
    Pairs p = {0};
    int64_t kept = 0;
    if (stage_has(s, "parity.json")) {
        log_info(&s->log, "identify: parity.json is there already");
        return OK;
    }
    Status status = load_pairs(s, &p, e);
    if (status == OK)
        status = get_answers(s, &p, false, e);
    if (status == OK)
        status = get_answers(s, &p, true, e);
    if (status == OK)
        status = decide(&p, e);
    if (status == OK && s->config.identify.select != SELECT_PARITY)
        status = select_other(s, &p, e);
    if (status == OK)
        status = write_audit(s, &p, e);
    if (status == OK)
        status = write_parity(s, &p, &kept, e);
    if (status == OK)
        log_info(&s->log, "identify: %lld of %lld pairs kept", (long long)kept, (long long)p.count);
    if (status == OK && p.one_sided)
        log_warning(&s->log, "identify: %lld answers or pairs stand on one side only and were left out",
                    (long long)p.one_sided);
    pairs_free(&p);
    return status;
}
