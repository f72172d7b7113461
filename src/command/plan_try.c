/* A plan's try of the stages: the teacher annotates a few pictures, student and teacher answer what it
 * asked, and the rule of the run says which pairs it would keep. Where annotations are there, they are
 * taken instead. */
#include "command/plan.h"

#include "base/number.h"
#include "data/match.h"
#include "data/prompt.h"
#include "mpa/reply.h"
#include "mpa/select.h"

#include <stdlib.h>

static void try_free(PlanTry *t)
{
    free(t->file);
    free(t->question);
    free(t->answer);
    *t = (PlanTry){0};
}

/* Pictures from all over the list. */
static const char *some_file(const Plan *p, int64_t i)
{
    return p->file[i * p->files / min_i64(p->files, PLAN_MOST)];
}

/* The teacher's own words about a picture become a try, if they hold question and answer. */
static Status take_reply(Plan *p, const char *file, const char *text, Error *e)
{
    PlanTry *t = p->try + p->tries;
    p->asked++;
    *t = (PlanTry){.file = memory_copy(file, e)};
    reply_parse(text, &t->question, &t->answer, e);
    if (t->question && t->answer)
        p->tries++;
    else
        try_free(t);
    return e->status;
}

static Status annotate_some(Plan *p, Error *e)
{
    const int64_t n = min_i64(p->files, PLAN_MOST);
    const int64_t longest = p->job->config.annotate.max_new_tokens;
    const Vlm *teacher = p->vlm + TEACHER;
    const char *files[PLAN_MOST];
    char *said[PLAN_MOST] = {NULL};
    Question q[PLAN_MOST];
    Text prompt = {0};
    prompt_load(&prompt, NULL, &p->job->config, e);
    for (int64_t i = 0; i < n; i++) {
        files[i] = some_file(p, i);
        q[i] = (Question){.images = files + i, .n_images = 1, .text = text_string(&prompt)};
    }
    plan_group(&p->annotates, p->job, teacher, q, longest, e);
    if (p->measure)
        plan_speed(&p->annotates, p->job, teacher, q, n, longest, said, e);
    for (int64_t i = 0; i < n; i++)
        if (said[i]) {
            take_reply(p, files[i], said[i], e);
            free(said[i]);
        }
    text_free(&prompt);
    return e->status;
}

/* Questions of annotations that are there, about pictures that are there; their own pictures are not
 * looked for, as only time and memory are to be known. */
static Status take_annotations(Plan *p, Error *e)
{
    Json list = {0};
    char *path =
        job_given_or_path(p->job, p->job->config.teacher.annotations, result_name[RESULT_ANNOTATIONS], e);
    job_read_list(&list, path, e);
    const int64_t rows = (int64_t)json_array_size(list.root);
    const int64_t n = min_i64(min_i64(rows, p->files), PLAN_MOST);
    for (int64_t i = 0; i < n && e->status == OK; i++) {
        const json_t *o = json_array_get(list.root, (size_t)(i * rows / n));
        const char *question = json_string_value(json_object_get(o, "predicted_question"));
        const char *answer = json_string_value(json_object_get(o, "predicted_answer"));
        if (question && answer) {
            p->try[p->tries] = (PlanTry){.file = memory_copy(some_file(p, i), e),
                                         .question = memory_copy(question, e),
                                         .answer = memory_copy(answer, e)};
            p->tries++;
        }
    }
    json_close(&list);
    free(path);
    return e->status;
}

/* One of the two is asked what was tried; without tries, anything, to know the memory. */
static Status answer_some(Plan *p, int who, Error *e)
{
    const int64_t longest = p->job->config.identify.max_new_tokens;
    const int64_t n = max_i64(p->tries, 1);
    const char *files[PLAN_MOST];
    Text text[PLAN_MOST] = {{0}};
    Question q[PLAN_MOST];
    for (int64_t i = 0; i < n; i++) {
        files[i] = p->tries ? p->try[i].file : some_file(p, i);
        text_format(text + i, e, "%s%s", p->tries ? p->try[i].question : "What can be seen",
                    p->job->config.identify.suffix);
        q[i] = (Question){.images = files + i, .n_images = 1, .text = text_string(text + i)};
    }
    plan_group(p->answers + who, p->job, p->vlm + who, q, longest, e);
    if (p->measure) {
        char *said[PLAN_MOST] = {NULL};
        plan_speed(p->answers + who, p->job, p->vlm + who, q, n, longest, said, e);
        for (int64_t i = 0; i < n; i++)
            p->try[i].said[who] = said[i];
    }
    for (int64_t i = 0; i < n; i++)
        text_free(text + i);
    return e->status;
}

/* Whether identify.select would; of random ones, as many as by parity. */
static bool would_keep(const Config *c, const PlanTry *t, Error *e)
{
    const char *student = t->said[STUDENT];
    const char *teacher = t->said[TEACHER];
    return (!select_asks(c, STUDENT) || (student && !match_right(t->answer, student, e))) &&
           (!select_asks(c, TEACHER) || (teacher && match_right(t->answer, teacher, e)));
}

Status plan_try(Plan *p, Error *e)
{
    const Config *c = &p->job->config;
    const bool annotated = *c->teacher.annotations || plan_is_there(p, RESULT_ANNOTATIONS);
    if (e->status != OK || !p->files)
        return e->status;
    if (annotated)
        take_annotations(p, e);
    else if (plan_has(p, TEACHER))
        annotate_some(p, e);
    for (int who = 0; who < ANSWERERS && e->status == OK; who++)
        if (plan_has(p, who))
            answer_some(p, who, e);
    for (int64_t i = 0; i < p->tries && e->status == OK; i++)
        p->confirmed += would_keep(c, p->try + i, e);
    return e->status;
}
