/* `mpa plan`: the counts are those of the files where these are there, else of a try on a few pictures,
 * else assumed, which is said. Then each part of the run that is still to be done becomes a row. */
#include "command/plan.h"
#include "command/command.h"

#include "base/number.h"
#include "base/parallel.h"
#include "base/progress.h"
#include "base/signals.h"
#include "model/adapter.h"
#include "mpa/level.h"
#include "mpa/pairs.h"
#include "mpa/select.h"
#include "tensor/gemm.h"
#include "train/adamw.h"
#include "train/fit.h"
#include "train/lora.h"
#include "train/schedule.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool plan_has(const Plan *p, int who)
{
    return p->vlm[who].family != NULL;
}

bool plan_is_there(const Plan *p, Result r)
{
    return p->there & 1u << r;
}

static Status find_results(Plan *p, Error *e)
{
    for (Result r = RESULT_ANNOTATIONS; r < RESULTS && e->status == OK; r++) {
        Error unread = {0};
        if (result_holds(p->job, r, &unread))
            p->there |= 1u << r;
        error_take_memory(e, &unread);
    }
    return e->status;
}

/* Notes what a stage would refuse, if it would: a line of the plan. Want of memory ends the plan itself. */
static Status note_refusal(Plan *p, const Error *why, Error *e)
{
    if (why->status != OK && error_take_memory(e, why) == OK)
        text_format(&p->refused, e, "refused: %s\n", why->text);
    return e->status;
}

/* ---------------------------------------------------------------------------------------- what is there */

/* Opens the models that are set, and looks at the pictures. What is wrong with either is told by the
 * stages that need them. */
static Status look(Plan *p, Error *e)
{
    const Config *c = &p->job->config;
    const char *const folder[ANSWERERS] = {[STUDENT] = c->student.model, [TEACHER] = c->teacher.model};
    const PictureOptions options = job_picture_options(p->job);
    Error unread = {0};
    if (*c->data.images)
        items_load_images(&p->items, c, &unread);
    note_refusal(p, &unread, e);
    p->file = memory_new(p->items.count, sizeof *p->file, e);
    for (int64_t i = 0; p->file && i < p->items.count && unread.status == OK; i++)
        if (p->items.item[i].file) {
            p->file[p->files] = p->items.item[i].file;
            p->files++;
        }
    plan_pictures(&p->pictures, p->job, &p->items, p->measure, e);
    for (int who = 0; who < ANSWERERS && e->status == OK; who++) {
        Error bad = {0};
        if (*folder[who] && vlm_open(p->vlm + who, folder[who], &bad) == OK)
            plan_tokens(p->tokens + who, p->vlm + who, &options, p->file, p->files, e);
        note_refusal(p, &bad, e);
    }
    return e->status;
}

/* How many rows a file has, of which *whole hold question and answer; -1: it is not there. */
static int64_t count_rows(const Plan *p, const char *given, Result r, int64_t *whole, Error *e)
{
    Json list = {0};
    int64_t rows = -1;
    char *path = job_given_or_path(p->job, given, result_name[r], e);
    if (e->status == OK && (*given || plan_is_there(p, r)) && job_read_list(&list, path, e) == OK) {
        rows = (int64_t)json_array_size(list.root);
        *whole = annotations_whole(list.root);
    }
    json_close(&list);
    free(path);
    return rows;
}

/* The counts that the stages will have, before anything is tried. */
static Status count_known(Plan *p, Error *e)
{
    int64_t whole = 0;
    int64_t unused = 0;
    const char *given = p->job->config.teacher.annotations;
    p->annotations_known = count_rows(p, given, RESULT_ANNOTATIONS, &whole, e) >= 0;
    p->annotations = whole;
    p->pairs = count_rows(p, "", RESULT_PARITY, &unused, e);
    p->pairs_known = p->pairs >= 0;
    return e->status;
}

/* And those that follow from the try. A share is expected by the rule of succession: where a slow machine tried one and kept none, that says
 * little of the rest; where no reply was whole, as one is that a slow machine cuts short, nothing. */
static void count_rest(Plan *p)
{
    if (!p->annotations_known)
        p->annotations = p->tries ? p->files * p->tries / p->asked : p->files;
    if (!p->pairs_known && p->measure && p->tries)
        p->pairs = p->annotations * (p->confirmed + 1) / (p->tries + 2);
    else if (!p->pairs_known)
        p->pairs = p->annotations / 2;
    if (!p->pairs_known && !*p->job->config.evaluate.questions)
        p->pairs -= (int64_t)(p->job->config.evaluate.holdout * (double)p->pairs);
}

/* ------------------------------------------------------------------------------------------- the rows */

static PlanRow *add_row(Plan *p, const char *name)
{
    PlanRow *r = p->row + p->rows;
    p->rows++;
    *r = (PlanRow){.name = name, .seconds = -1};
    return r;
}

static void add_answers(Plan *p, const char *name, const PlanSpeed *s, int64_t count, const char *what)
{
    const int64_t text_bytes = 1000; /* an entry of a stage file, generously */
    PlanRow *r = add_row(p, name);
    snprintf(r->work, sizeof r->work, "%lld %s, %lld at a time", (long long)count, what, (long long)s->group);
    r->memory = r->least = s->bytes;
    r->disk = count * text_bytes;
    r->largest = r->disk;
    if (s->seconds >= 0)
        r->seconds = s->seconds * (double)count;
}

static void add_first_stages(Plan *p)
{
    const Config *c = &p->job->config;
    if (!p->annotations_known && p->annotates.group)
        add_answers(p, "annotate", &p->annotates, p->files, "pictures");
    if (p->pairs_known)
        return;
    if (select_asks(c, STUDENT) && !*c->student.answers && !plan_is_there(p, RESULT_STUDENT) &&
        p->answers[STUDENT].group)
        add_answers(p, "identify: student", p->answers + STUDENT, p->annotations, "questions");
    if (select_asks(c, TEACHER) && !*c->teacher.answers && !plan_is_there(p, RESULT_TEACHER) &&
        p->answers[TEACHER].group)
        add_answers(p, "identify: teacher", p->answers + TEACHER, p->annotations, "questions");
}

/* Without a labelled set the held-out part of the annotations is asked. A set that cannot be read is told
 * by the stage. */
static int64_t count_questions(const Plan *p, Error *e)
{
    const Config *c = &p->job->config;
    Items items = {0};
    Error unread = {0};
    int64_t count = (int64_t)(c->evaluate.holdout * (double)p->annotations);
    if (*c->evaluate.questions)
        count = items_load_questions(&items, c, &unread) == OK ? items.count : 0;
    error_take_memory(e, &unread);
    items_free(&items);
    return count;
}

static Status add_evaluation(Plan *p, Error *e)
{
    static const struct {
        const char *name;
        Result result;
        int who;
    } models[MODELS] = {[MODEL_STUDENT] = {"evaluate: student", RESULT_TEST_STUDENT, STUDENT},
                        [MODEL_ALIGNED] = {"evaluate: aligned", RESULT_TEST_ALIGNED, STUDENT},
                        [MODEL_TEACHER] = {"evaluate: teacher", RESULT_TEST_TEACHER, TEACHER}};
    const int64_t questions = count_questions(p, e);
    if (*p->job->config.evaluate.predictions)
        return e->status;
    for (int m = 0; m < MODELS && questions; m++)
        if (p->job->config.evaluate.models & 1u << m && !plan_is_there(p, models[m].result) &&
            p->answers[models[m].who].group)
            add_answers(p, models[m].name, p->answers + models[m].who, questions, "questions");
    return e->status;
}

/* Pairs of the try as training sees them; at least one. */
static int64_t some_pairs(const Plan *p, Question *q, const char **files, int64_t most)
{
    const int64_t n = min_i64(max_i64(p->tries, 1), most);
    for (int64_t i = 0; i < n; i++) {
        files[i] = p->tries ? p->try[i].file : p->file[0];
        q[i] = (Question){.images = files + i,
                          .n_images = 1,
                          .text = p->tries ? p->try[i].question : "What can be seen",
                          .answer = p->tries ? p->try[i].answer : "a tower",
                          .id = "plan"};
    }
    return n;
}

/* Seconds of training, of which later epochs find features of this part of the pairs. A large model makes a pass of one
 * sample, which stands for each of the others. */
static double training_seconds(Plan *p, const Question *pairs, int64_t count, const TrainOptions *o,
                               double found, Error *e)
{
    const double small = 0.2; /* seconds per answer of a model whose whole pass is made */
    const int64_t micro = o->level.micro_batch;
    const int64_t n = p->answers[STUDENT].seconds < small ? min_i64(count, micro) : 1;
    const int64_t steps = schedule_steps(&o->level, p->pairs);
    TrainTime time;
    double passes = 0;
    train_time(p->vlm + STUDENT, pairs, n, o, &time, e);
    for (int64_t s = 0; s < steps; s++) {
        const StepSamples samples = schedule_samples(&o->level, p->pairs, s);
        const double saved = samples.epoch ? found * (time.first - time.later) : 0;
        passes += (double)samples.count * (time.first - saved) / (double)n;
    }
    return passes + time.update * (double)steps;
}

static void describe_training(Plan *p, PlanRow *r, const LevelConfig *l, Error *e)
{
    const int64_t updates = fit_updates(l, p->pairs);
    const int64_t steps = schedule_steps(l, p->pairs);
    const int used = snprintf(
        r->work, sizeof r->work, "%lld pairs, %lld epochs, %lld steps of %lld, %lld updates",
        (long long)p->pairs, (long long)l->epochs, (long long)steps, (long long)l->batch, (long long)updates);
    if (optimiser_offloads(l))
        snprintf(r->work + used, sizeof r->work - (size_t)used,
                 ", without the time of level.offload (%.2f GB a step)",
                 5 * (double)sizeof(float) * (double)optimiser_values(p->vlm + STUDENT, l, ~0u) / 1e9);
    if (updates < FIT_LEAST_UPDATES)
        text_format(&p->refused, e,
                    "refused: level: only %lld updates with a learning rate above 0, wanted %d\n",
                    (long long)updates, (int)FIT_LEAST_UPDATES);
}

/* What the stage would take, with its adapters where it trains them. */
static Status measure_training(Plan *p, PlanRow *r, const TrainOptions *o, Error *e)
{
    const char *files[PLAN_MOST];
    Question q[PLAN_MOST];
    const int64_t n = some_pairs(p, q, files, PLAN_MOST);
    const int64_t room = (int64_t)job_memory(p->job);
    const LevelMemory memory = level_memory(p->job, p->vlm + STUDENT, q, n, p->pairs, o, e);
    const LevelDisk disk = level_disk(p->job, p->vlm + STUDENT, e);
    r->memory = memory.used;
    r->least = memory.least;
    r->disk = disk.run + disk.offload;
    r->offload = disk.offload;
    r->largest = disk.largest;
    if (p->measure && (!room || r->least <= room))
        r->seconds = training_seconds(p, q, n, o, memory.found, e);
    return e->status;
}

static Status add_training(Plan *p, Error *e)
{
    Text said = {0};
    Error bad = {0};
    Vlm *student = p->vlm + STUDENT;
    if (e->status != OK || plan_is_there(p, RESULT_ALIGNED) || !plan_has(p, STUDENT) || !p->files ||
        p->pairs < 1)
        return e->status;
    fit_level(&p->job->config, p->pairs, &said, e);
    text_free(&said);
    const TrainOptions o = level_options(&p->job->config, student);
    if (lora_start(student, &o.level, o.seed, &bad) != OK)
        return note_refusal(p, &bad, e);
    PlanRow *r = add_row(p, "level");
    describe_training(p, r, &o.level, e);
    measure_training(p, r, &o, e);
    adapter_free(student);
    return e->status;
}

/* ---------------------------------------------------------------------------------------- the whole */

/* What the stages would refuse, one line each. */
static Status add_refused(Plan *p, Error *e)
{
    for (int i = 0; i < STAGES && e->status == OK; i++) {
        Error why = {0};
        stage_check(p->job, stages + i, 1, &why);
        error_prefix(&why, "%s", stages[i]->name);
        note_refusal(p, &why, e);
    }
    return e->status;
}

static Status check_room(const Plan *p, Error *e)
{
    int64_t disk = 0;
    for (int i = 0; i < p->rows; i++) {
        const PlanRow *r = p->row + i;
        job_check_memory(p->job, r->least, r->name, e);
        disk += r->disk - r->offload;
        job_check_disk(p->job, p->job->folder, disk, r->largest, r->name, e);
        job_check_disk(p->job, p->job->config.level.offload, r->offload, r->largest, "level.offload", e);
    }
    return e->status;
}

static void plan_free(Plan *p)
{
    for (int64_t i = 0; i < PLAN_MOST; i++) {
        free(p->try[i].file);
        free(p->try[i].question);
        free(p->try[i].answer);
        for (int who = 0; who < ANSWERERS; who++)
            free(p->try[i].said[who]);
    }
    for (int who = 0; who < ANSWERERS; who++)
        vlm_close(p->vlm + who);
    free(p->file);
    items_free(&p->items);
    text_free(&p->refused);
}

/* Whether all that a run makes is there. */
static bool nothing_left(const Plan *p)
{
    static const Result answers[MODELS] = {[MODEL_STUDENT] = RESULT_TEST_STUDENT,
                                           [MODEL_ALIGNED] = RESULT_TEST_ALIGNED,
                                           [MODEL_TEACHER] = RESULT_TEST_TEACHER};
    const Config *c = &p->job->config;
    bool all = (*c->teacher.annotations || plan_is_there(p, RESULT_ANNOTATIONS)) &&
               plan_is_there(p, RESULT_PARITY) && plan_is_there(p, RESULT_ALIGNED);
    for (int m = 0; m < MODELS && all && !*c->evaluate.predictions; m++)
        all = !(c->evaluate.models & 1u << m) || plan_is_there(p, answers[m]);
    return all;
}

Status plan_make(Text *out, Job *j, bool measure, bool in_run, Error *e)
{
    Plan p = {.job = j, .measure = measure};
    Progress work;
    find_results(&p, e);
    if (in_run && nothing_left(&p))
        return e->status; /* a run that is done opens no model to say so */
    for (int who = 0; who < ANSWERERS; who++)
        p.answers[who].seconds = -1;
    progress_begin(&work, &j->log, "plan", 0, 0);
    look(&p, e);
    count_known(&p, e);
    plan_try(&p, e);
    count_rest(&p);
    add_first_stages(&p);
    add_training(&p, e);
    add_evaluation(&p, e);
    if (!in_run)
        add_refused(&p, e); /* a run has looked already, at the stages that it does */
    progress_end(&work);
    if (!in_run || p.rows)
        plan_text(&p, out, e);
    check_room(&p, e);
    plan_free(&p);
    return e->status;
}

static Status run(Invocation *in, Error *e)
{
    Job j = {.log = in->log, .version = MPA_VERSION, .stop = signals_flag(), .hashes = json_object()};
    Text text = {0};
    const Option options[] = {{.name = "force", .given = &j.force}, {0}};
    options_parse(options, in->arguments, &in->count, e);
    if (e->status == OK && !in->count)
        error_arguments(e, "a configuration file is needed");
    if (e->status == OK)
        config_load(&j.config, in->arguments[0], in->arguments + 1, in->count - 1, e);
    if (e->status == OK) {
        config_require(&j.config, &j.config.run.dir, e);
        j.folder = j.config.run.dir;
        parallel_set_threads((int)j.config.run.threads);
        gemm_start(e);
        plan_make(&text, &j, true, false, e);
        Error written = {0};
        command_print(text_string(&text), text.count, &written);
        error_take(e, &written);
        config_free(&j.config);
    }
    json_decref(j.hashes);
    text_free(&text);
    return e->status;
}

const Command command_plan = {
    "plan", run, "CONF [section.key=value ...]",
    "what a run will read and need: pictures, tokens, time, memory and disk of every stage",
    "Models and pictures are those of the run; a few seconds of each stage are tried. Nothing is changed.\n"
    "  --force          end with 0 even if memory or disk seems too small\n"};
