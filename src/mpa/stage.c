/* The order of the stages, and what all of them do first: they look at what is there. */
#include "mpa/stage.h"

#include "base/file.h"
#include "base/progress.h"
#include "job/cost.h"
#include "mpa/holdout.h"
#include "mpa/select.h"

#include <string.h>

const Stage *const stages[STAGES] = {&stage_annotate, &stage_identify, &stage_level, &stage_evaluate};

/* ------------------------------------------------------------------------------------------ redo */

static bool redo_is(const Job *j, const char *name)
{
    return j->redo && !strcmp(j->redo, name);
}

/* Whether results of the stage may be made anew: it is named by --redo, or follows one that is. */
static bool may_redo(const Stage *s, const Job *j)
{
    bool reached = redo_is(j, "all");
    for (int i = 0; i < STAGES && !reached; i++) {
        reached = redo_is(j, stages[i]->name);
        if (stages[i] == s)
            break;
    }
    return reached;
}

/* Whether a result in this state is taken as it is. What was put there by hand is an input, which
 * nothing but the stage's own name takes away. Work on the named stage that was begun goes on. */
static bool is_taken(const Stage *s, const Job *j, ResultState state)
{
    if (state == STATE_BY_HAND)
        return !redo_is(j, s->name);
    return state == STATE_TRUE && !redo_is(j, s->name) && !redo_is(j, "all");
}

/* ---------------------------------------------------------------------------- what is there, in words */

/* A message for each line of `why`. */
static void list_changes(const Job *j, const Stage *s, Result r, const Text *why)
{
    const char *p = text_string(why);
    while (*p) {
        const int length = (int)strcspn(p, "\n");
        log_info(&j->log, "%s: %s is not true any more: %.*s", s->name, result_name[r], length, p);
        p += length + (p[length] == '\n');
    }
}

/* The first line, for an error. */
static int first_line(const Text *why)
{
    return (int)strcspn(text_string(why), "\n");
}

static Status refuse(const Stage *s, Result r, const Text *why, Error *e)
{
    return error_set(e, BAD_USAGE,
                     "%s is not true any more: %.*s; undo that, or run again with --redo %s, which keeps the "
                     "answers that are still true",
                     result_name[r], first_line(why), text_string(why), s->name);
}

Status stage_use(const Stage *s, const Job *j, Result r, bool *use, Error *e)
{
    Text why = {0};
    const ResultState state = result_state(j, r, &why, e);
    *use = e->status == OK && is_taken(s, j, state);
    if (state == STATE_BY_HAND && *use)
        log_info(&j->log, "%s: %s was put there or edited by hand; it is taken as it is", s->name,
                 result_name[r]);
    if (state == STATE_CHANGED && !may_redo(s, j))
        refuse(s, r, &why, e);
    else if (state == STATE_OUTDATED || state == STATE_CHANGED)
        list_changes(j, s, r, &why);
    text_free(&why);
    return e->status;
}

/* ------------------------------------------------------------------------------------- the stages */

/* Whether the stage looks at the result at all: not at what a file of the configuration stands for,
 * nor at answers that nobody wants scored. */
static bool is_wanted(const Job *j, Result r)
{
    const Config *c = &j->config;
    const bool scores = (*c->evaluate.questions || holdout_part(j) > 0) && !*c->evaluate.predictions;
    const bool labels = c->identify.select == SELECT_LABELS; /* nobody is asked for these */
    switch (r) {
    case RESULT_ANNOTATIONS: return !*c->teacher.annotations;
    case RESULT_STUDENT: return !*c->student.answers && !labels;
    case RESULT_TEACHER: return !*c->teacher.answers && !labels;
    case RESULT_TEST_STUDENT: return scores && c->evaluate.models & 1u << MODEL_STUDENT;
    case RESULT_TEST_ALIGNED: return scores && c->evaluate.models & 1u << MODEL_ALIGNED;
    case RESULT_TEST_TEACHER: return scores && c->evaluate.models & 1u << MODEL_TEACHER;
    default: return true;
    }
}

/* Whether nothing is left to do; evaluation always looks. */
static bool is_done(const Stage *s, const Job *j, Error *e)
{
    if (!s->one_result)
        return false;
    const ResultState last = result_state(j, s->last, NULL, e);
    bool done = is_taken(s, j, last);
    for (int r = (int)s->first; r < (int)s->last && done && last != STATE_BY_HAND; r++)
        if (is_wanted(j, (Result)r)) {
            const ResultState state = result_state(j, (Result)r, NULL, e);
            done = state == STATE_NONE || is_taken(s, j, state);
        }
    if (last != STATE_BY_HAND && s->is_whole && !s->is_whole(j))
        return false;
    return done && e->status == OK;
}

/* What of the stage's results must not be used and may not be made anew: all changes are listed, and
 * the first is the error. */
static Status check_results(const Stage *s, const Job *j, Error *e)
{
    Error first = {0};
    bool given =
        s->one_result && is_taken(s, j, STATE_BY_HAND) && result_state(j, s->last, NULL, e) == STATE_BY_HAND;
    for (int r = (int)s->first; r <= (int)s->last && e->status == OK && !given; r++) {
        Text why = {0};
        if (is_wanted(j, (Result)r) && result_state(j, (Result)r, &why, e) == STATE_CHANGED &&
            !may_redo(s, j)) {
            list_changes(j, s, (Result)r, &why);
            refuse(s, (Result)r, &why, &first);
        }
        text_free(&why);
    }
    return e->status != OK ? e->status : error_take(e, &first);
}

Status stage_check_results(const Job *j, const Stage *const *wanted, int count, Error *e)
{
    Error first = {0};
    for (int i = 0; i < count && e->status == OK; i++) {
        Error one = {0};
        check_results(wanted[i], j, &one);
        error_take(one.status == BAD_USAGE ? &first : e, &one);
    }
    return error_take(e, &first);
}

Status stage_check(const Job *j, const Stage *const *wanted, int count, Error *e)
{
    stage_check_results(j, wanted, count, e);
    for (int i = 0; i < count && e->status == OK; i++)
        if (!is_done(wanted[i], j, e))
            wanted[i]->needs(j, e);
    return e->status;
}

bool stage_measures(const Job *j)
{
    const Config *c = &j->config;
    const bool teacher =
        select_asks(c, TEACHER) || holdout_part(j) > 0; /* whose answers held-out pictures need */
    return *c->evaluate.questions || *c->evaluate.predictions || (c->evaluate.holdout > 0 && teacher);
}

Status stage_run(const Stage *s, Job *j, Error *e)
{
    if (e->status != OK)
        return e->status;
    const bool done = is_done(s, j, e);
    bool use;
    if (s->one_result) /* says why it is made anew, or taken */
        stage_use(s, j, s->last, &use, e);
    if (!done) {
        Progress work; /* shown before, between and after the parts that count what they have done */
        progress_begin(&work, &j->log, s->name, 0, 0);
        s->needs(j, e);
        cost_begin(j, s->name, e);
        if (e->status == OK)
            s->run(j, e);
        cost_end(j, e);
        progress_end(&work);
        return e->status;
    }
    log_info(&j->log, "%s: %s is there already", s->name, result_name[s->last]);
    result_settle(j, s->last, e);
    return s->clean ? s->clean(j, e) : e->status;
}

/* Limits that a model cannot keep are said before another one works for hours. */
static Status check_limits(const Job *j, const char *folder, Error *e)
{
    Vlm vlm = {0};
    const PictureOptions options = job_picture_options(j);
    if (e->status != OK || (!options.min_pixels && !options.max_pixels))
        return e->status;
    if (vlm_open(&vlm, folder, e) == OK)
        vlm_check_pictures(&vlm, &options, e);
    vlm_close(&vlm);
    return e->status;
}

Status stage_needs_model(const Job *j, const char *const *folder, Error *e)
{
    config_require(&j->config, folder, e);
    if (e->status == OK && !file_is_folder(*folder))
        error_set(e, BAD_INPUT, "%s = %s: there is no such folder", config_name(&j->config, folder), *folder);
    return check_limits(j, *folder, e);
}

char *stage_model(const Job *j, int model, Error *e)
{
    const char *const key[MODELS] = {
        [MODEL_STUDENT] = j->config.student.model, [MODEL_TEACHER] = j->config.teacher.model};
    if (model == MODEL_ALIGNED)
        return job_has(j, result_name[RESULT_ALIGNED]) ? job_path(j, result_name[RESULT_ALIGNED], e) : NULL;
    return *key[model] ? memory_copy(key[model], e) : NULL;
}
