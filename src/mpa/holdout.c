/* A held-out question is taken when the teacher, asked again, gives the answer that it annotated: the
 * same check that lets a pair be kept (the paper, section "Parity Identifier"), without looking at
 * the student. */
#include "mpa/holdout.h"

#include "base/file.h"
#include "base/folder.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/random.h"
#include "data/match.h"
#include "job/answerer.h"
#include "mpa/depends.h"
#include "mpa/pairs.h"

#include <stdlib.h>

/* Whether there is a file in the place of a result. */
static bool is_there(const Job *j, const char *given, Result r)
{
    return *given ? file_size(given) >= 0 : job_has(j, result_name[r]);
}

/* The file in the place of a result, or NULL: there is none. Owned. */
static char *file_of(const Job *j, const char *given, Result r, Error *e)
{
    return is_there(j, given, r) ? job_given_or_path(j, given, result_name[r], e) : NULL;
}

double holdout_part(const Job *j)
{
    const Config *c = &j->config;
    if (*c->evaluate.questions || *c->evaluate.predictions)
        return 0;
    const bool both = is_there(j, c->teacher.annotations, RESULT_ANNOTATIONS) &&
                      is_there(j, c->teacher.answers, RESULT_TEACHER);
    return both ? c->evaluate.holdout : 0;
}

bool holdout_has(double part, const char *id)
{
    return random_unit(hash_text(HASH_START, id), 0, 0) < part;
}

static bool confirms(const Pair *p, const char *said, Error *e)
{
    Text answer = {0};
    Text normal = {0};
    match_normalise(&answer, p->answer, e);
    match_normalise(&normal, said, e);
    const bool yes = answer.count && match_contains(text_string(&answer), text_string(&normal));
    text_free(&answer);
    text_free(&normal);
    return yes;
}

/* What the teacher said to each pair's question: said[p->count], zeroed, owned. */
static Status teacher_says(const Job *j, const Pairs *p, char **said, Error *e)
{
    const Config *c = &j->config;
    Questions q = {0};
    char *path = file_of(j, c->teacher.answers, RESULT_TEACHER, e);
    Answerer teacher = answerer_file(path, "PA_question", c->identify.suffix);
    for (int64_t i = 0; i < p->count && e->status == OK; i++)
        questions_add(&q, i, p->pair[i].id, NULL, p->pair[i].question, c->identify.suffix, NULL, e);
    if (path)
        answerer_ask(&teacher, &q, said, e);
    questions_free(&q);
    free(path);
    return e->status;
}

static Status add_item(Items *items, const Pair *p, Error *e)
{
    json_t *answers = json_array();
    json_append(answers, json_string(p->answer), e);
    return items_add(items, json_incref((json_t *)(uintptr_t)p->id), p->image, p->question, answers, e);
}

static Status holdout_items(Items *items, const Job *j, Error *e)
{
    const double part = holdout_part(j);
    Pairs p = {0};
    Text id = {0};
    char *path = file_of(j, j->config.teacher.annotations, RESULT_ANNOTATIONS, e);
    *items = (Items){0};
    if (path && part > 0)
        pairs_read(&p, path, "predicted_question", "predicted_answer", e);
    char **said = memory_new(p.count, sizeof *said, e);
    teacher_says(j, &p, said, e);
    for (int64_t i = 0; i < p.count && e->status == OK; i++) {
        const Pair *pair = p.pair + i;
        text_clear(&id);
        id_text(&id, pair->id, e);
        if (holdout_has(part, text_string(&id)) && pair->question && pair->answer && said[i] &&
            confirms(pair, said[i], e))
            add_item(items, pair, e);
    }
    names_free(said, p.count);
    text_free(&id);
    pairs_free(&p);
    free(path);
    return e->status;
}

Status holdout_or_questions(Items *items, const Job *j, Error *e)
{
    return *j->config.evaluate.questions ? items_load_questions(items, &j->config, e)
                                         : holdout_items(items, j, e);
}

PictureSource holdout_pictures(const Config *c)
{
    return *c->evaluate.questions ? picture_source_questions(c) : picture_source_data(c);
}
