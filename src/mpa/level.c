/* Stage 3, parity leveler: the student is fine-tuned on the kept pairs only. Reads parity.json and
 * the pictures; writes metrics.jsonl, timings.jsonl and aligned/. Interrupted, it leaves a state
 * in level.state/ from which it goes on. (The paper, section "Parity Leveler".) */
#include "mpa/level.h"
#include "mpa/depends.h"
#include "mpa/kept.h"
#include "mpa/stage.h"

#include "base/disk.h"
#include "base/hash.h"
#include "base/number.h"
#include "base/path.h"
#include "base/progress.h"
#include "job/cost.h"
#include "job/fingerprint.h"
#include "model/adapter.h"
#include "model/family.h"
#include "tensor/gemm.h"
#include "train/estimate.h"
#include "train/fit.h"
#include "train/lora.h"
#include "train/save.h"
#include "train/schedule.h"
#include "train/train.h"
#include "train/unchanged.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char state_folder[] = "level.state";

static Status needs(const Job *j, Error *e)
{
    if (e->status == OK && *j->config.student.adapter)
        error_set(e, BAD_USAGE,
                  "student.adapter = %s: `level` trains student.model; put the adapter into it first "
                  "(mpa merge), or train it on (level.method = lora, level.lora_init)",
                  j->config.student.adapter);
    return stage_needs_model(j, &j->config.student.model, e);
}

/* ------------------------------------------------------------------------------------ the training */

/* A pixel limit in training: its own, or else the one of [image]. A recipe's is that of the published
 * trainer, which knows Qwen2-VL alone. */
static int64_t limit_of(const Config *c, const Vlm *vlm, const int64_t *own, int64_t image)
{
    const bool meant = vlm->family->trainer_limits || config_is_given(c, own);
    return *own && meant ? *own : image;
}

TrainOptions level_options(const Config *c, const Vlm *vlm)
{
    const LevelConfig *l = &c->level;
    return (TrainOptions){.level = *l,
                          .seed = (uint64_t)c->run.seed,
                          .pictures = {limit_of(c, vlm, &l->min_pixels, c->image.min_pixels),
                                       limit_of(c, vlm, &l->max_pixels, c->image.max_pixels),
                                       c->image.published, c->image.exif},
                          .memory = c->run.memory};
}

/* What must be the same to resume, "; " between its parts: all that the result is made of, and the
 * arithmetic. */
static Status describe(const Job *j, const Kept *pairs, Text *out, Error *e)
{
    char arithmetic[GEMM_DESCRIPTION];
    const char *name;
    json_t *value;
    json_t *now = depends_now(j, RESULT_ALIGNED, e);
    text_format(out, e, "%lld pairs", (long long)pairs->count);
    json_object_foreach(json_object_get(now, "settings"), name, value)
    {
        text_format(out, e, "; %s %s", name, json_string_value(value));
    }
    json_object_foreach(json_object_get(now, "inputs"), name, value)
    {
        text_format(out, e, "; %s %016llx", name, (unsigned long long)fingerprint_json(value, e));
    }
    text_format(out, e, "; %s", gemm_description(arithmetic));
    json_decref(now);
    return e->status;
}

/* The size of a pass over one pair like the largest of some, from all over the list; *mean: their average
 * numbers of rows and picture tokens. */
static PassSize largest_pass(PassSize *mean, const Vlm *vlm, const Question *pairs, int64_t count,
                             const TrainOptions *o, Error *e)
{
    enum { LOOKED_AT = 16 };
    const ChatOptions chat = {o->level.chat_newline};
    const int64_t n = min_i64(count, LOOKED_AT);
    PassSize largest = {.idle = estimate_idle(vlm, &o->level)};
    *mean = (PassSize){0};
    for (int64_t i = 0; i < n && e->status == OK; i++) {
        Samples samples;
        samples_load(&samples, vlm, pairs + i * count / n, 1, &o->pictures, &chat, e);
        const PassSize size = pass_size(vlm, &o->level, &samples);
        mean->rows += size.rows;
        mean->picture_tokens += size.picture_tokens;
        if (estimate_pass(vlm, size, true) > estimate_pass(vlm, largest, true))
            largest = size;
        samples_free(&samples);
    }
    mean->rows /= max_i64(n, 1);
    mean->picture_tokens /= max_i64(n, 1);
    return largest;
}

LevelMemory level_memory(const Job *j, const Vlm *vlm, const Question *pairs, int64_t known, int64_t count,
                         const TrainOptions *o, Error *e)
{
    const int64_t micro = min_i64(o->level.micro_batch, count);
    PassSize mean;
    PassSize size = largest_pass(&mean, vlm, pairs, known, o, e);
    size.rows *= micro;
    size.picture_tokens *= micro;
    const int64_t state = estimate_state(vlm, &o->level);
    const int64_t room = (int64_t)job_memory(j);
    const int64_t kept = estimate_pass(vlm, size, false);
    const int64_t recomputed = estimate_pass(vlm, size, true);
    const int64_t taken = state + estimate_mapped(vlm, &o->level);
    const bool again = estimate_recompute(kept, room, taken);
    const int64_t pass = again ? recomputed : kept;
    const int64_t features = estimate_features(vlm, &o->level, count * mean.picture_tokens);
    const int64_t found = min_i64(features, estimate_spare(pass, room, taken));
    if (e->status != OK)
        return (LevelMemory){0};
    return (LevelMemory){state + recomputed, state + pass + found, mean.rows,
                         features ? (double)found / (double)features : 0};
}

/* A run that has no folder yet has no states either. */
char *level_states(const Job *j, Error *e)
{
    const char *offload = j->config.level.offload;
    Error missing = {0};
    char name[40];
    if (!*offload)
        return job_path(j, state_folder, e);
    char *run = path_absolute(j->folder, &missing);
    error_take_memory(e, &missing);
    snprintf(name, sizeof name, "%s-%016llx", state_folder,
             (unsigned long long)hash_text(HASH_START, run ? run : j->folder));
    free(run);
    return path_join(offload, name, e);
}

LevelDisk level_disk(const Job *j, const Vlm *vlm, Error *e)
{
    const LevelConfig *l = &j->config.level;
    LevelDisk d = {0};
    char *folder = level_states(j, e);
    const int64_t states = max_i64(0, estimate_states(vlm, l) - (folder ? state_bytes(folder) : 0));
    d.run = estimate_result(vlm, l, &d.largest);
    if (*l->offload && !disk_is_same(l->offload, j->folder))
        d.offload = states;
    else
        d.run += states;
    free(folder);
    return d;
}

static Status check_room(const Job *j, const Vlm *vlm, const Kept *pairs, const TrainOptions *o, Error *e)
{
    const LevelMemory memory = level_memory(j, vlm, pairs->question, pairs->count, pairs->count, o, e);
    const LevelDisk disk = level_disk(j, vlm, e);
    const double mib = 1048576;
    if (e->status == OK)
        log_info(
            &j->log,
            "level: %lld pairs, %lld steps, about %lld tokens in each epoch, %.0f MiB of memory besides the "
            "mapped weights, %.0f MiB of disk",
            (long long)pairs->count, (long long)schedule_steps(&o->level, pairs->count),
            (long long)memory.rows * (long long)pairs->count, (double)memory.used / mib,
            (double)(disk.run + disk.offload) / mib);
    job_check_memory(j, memory.least, "fine-tuning", e);
    job_check_disk(j, j->folder, disk.run, disk.largest, "fine-tuning (two states and aligned/)", e);
    return job_check_disk(j, o->level.offload, disk.offload, disk.largest, "level.offload (two states)", e);
}

/* The settings that auto fits to the pairs. */
static Status fit(Job *j, int64_t pairs, Error *e)
{
    Text said = {0};
    fit_level(&j->config, pairs, &said, e);
    if (e->status == OK && said.count)
        log_info(&j->log, "level: %s", text_string(&said));
    text_free(&said);
    return e->status;
}

/* FAILED with this text, which ends in a remedy; a warning with --force. */
static Status refuse(const Job *j, bool forced, const char *text, Error *e)
{
    if (e->status != OK || forced) {
        if (e->status == OK)
            log_warning(&j->log, "%s; continues%s", text, j->force ? " because of --force" : "");
        return e->status;
    }
    return error_set(e, FAILED, "%s; --force goes on anyway", text);
}

/* Training that cannot teach is refused before it starts. Who has set epochs, batch and warm-up alike
 * has chosen the number of updates, and is only warned. */
static Status check_updates(const Job *j, int64_t pairs, Error *e)
{
    const LevelConfig *l = &j->config.level;
    const int64_t updates = e->status == OK ? fit_updates(l, pairs) : 0;
    const bool chosen = updates && config_is_given(&j->config, &l->epochs) &&
                        config_is_given(&j->config, &l->batch) &&
                        config_is_given(&j->config, &l->warmup_ratio);
    char text[500];
    if (e->status != OK || updates >= FIT_LEAST_UPDATES)
        return e->status;
    snprintf(
        text, sizeof text,
        "level: ONLY %lld OF %lld STEPS HAVE A LEARNING RATE ABOVE 0, SO THE STUDENT LEARNS %s (wanted at "
        "least %d; %lld pairs, batch %lld, epochs %lld, warmup_ratio %g): use level.recipe = auto and "
        "leave out these keys, or a smaller level.batch, or more level.epochs",
        (long long)updates, (long long)schedule_steps(l, pairs), updates ? "ALMOST NOTHING" : "NOTHING",
        (int)FIT_LEAST_UPDATES, (long long)pairs, (long long)l->batch, (long long)l->epochs, l->warmup_ratio);
    return refuse(j, j->force || chosen, text, e);
}

/* An aligned student that is the student is no result: it is taken away again, and the state stays,
 * so that --force only has to write it. */
static Status check_changed(const Job *j, const char *aligned, Error *e)
{
    bool same = false;
    checkpoint_unchanged(&same, j->config.student.model, aligned, e);
    if (!same)
        return e->status;
    if (!j->force)
        save_remove(aligned, e);
    return refuse(
        j, j->force,
        "level: THE ALIGNED STUDENT HAS THE STUDENT'S WEIGHTS, BIT FOR BIT, AS THEY ARE WRITTEN: it "
        "has learned nothing. Use a higher level.learning_rate, more level.epochs, or level.dtype = "
        "float32, which keeps small updates",
        e);
}

/* Who follows the training. */
typedef struct {
    const Job *job;
    Progress progress;
    Error error; /* what hindered the record of the cost */
} Follower;

static void show_step(void *user, const TrainProgress *p)
{
    Follower *follower = user;
    Progress *progress = &follower->progress;
    cost_add(follower->job, 0, p->tokens, &follower->error);
    char note[60];
    if (!progress->done) /* the first step of this process, which may go on where another stopped */
        progress->first = p->step - 1;
    snprintf(note, sizeof note, "loss %.4f, %lld tokens", p->loss, (long long)p->tokens);
    progress_show(progress, p->step, note);
}

static Status train_and_save(const Job *j, Vlm *vlm, const Kept *pairs, Error *e)
{
    Text print = {0};
    Follower follower = {.job = j};
    const TrainOptions o = level_options(&j->config, vlm);
    const int64_t steps = schedule_steps(&o.level, pairs->count);
    char *state = level_states(j, e);
    char *metrics = job_path(j, "metrics.jsonl", e);
    char *timings = job_path(j, "timings.jsonl", e);
    char *aligned = job_path(j, result_name[RESULT_ALIGNED], e);
    bool resumes;
    result_begin(j, RESULT_ALIGNED, &resumes, e);
    if (!resumes)
        state_remove_all(state, e);
    describe(j, pairs, &print, e);
    vlm_check_pictures(vlm, &o.pictures, e);
    check_room(j, vlm, pairs, &o, e);
    progress_begin(&follower.progress, &j->log, "level", 0, steps);
    const TrainFiles files = {state, metrics, timings, text_string(&print)};
    const TrainWatch watch = {.stop = j->stop, .progress = show_step, .user = &follower};
    train(vlm, pairs->question, pairs->count, &o, &files, &watch, e);
    progress_end(&follower.progress);
    error_take(e, &follower.error);
    save_checkpoint(vlm, aligned, o.level.dtype, o.level.method == METHOD_LORA, e);
    check_changed(j, aligned, e);
    result_end(j, RESULT_ALIGNED, NULL, 0, e);
    state_remove_all(state, e);
    text_free(&print);
    free(state);
    free(metrics);
    free(timings);
    free(aligned);
    return e->status;
}

/* With method = lora: the adapters, and what the user should know of them. */
static Status start_adapters(const Job *j, Vlm *vlm, Error *e)
{
    const LevelConfig *l = &j->config.level;
    const Adapter *a = &vlm->adapter;
    Text unmatched = {0};
    lora_start(vlm, l, (uint64_t)j->config.run.seed, e);
    if (a->count)
        adapter_unmatched(vlm, l->lora_target, &unmatched, e);
    if (unmatched.count)
        log_warning(&j->log, "level.lora_target: no module is called: %s", text_string(&unmatched));
    if (e->status == OK && a->count)
        log_info(&j->log, "level: LoRA on %lld modules, rank %lld, alpha %g, dropout %g", (long long)a->count,
                 (long long)a->rank, a->alpha, a->dropout);
    text_free(&unmatched);
    return e->status;
}

static Status run(Job *j, Error *e)
{
    Kept pairs;
    Vlm vlm;
    kept_read(&pairs, j, e);
    fit(j, pairs.count, e);
    check_updates(j, pairs.count, e);
    if (e->status == OK && job_open_model(j, &vlm, j->config.student.model, NULL, e) == OK) {
        start_adapters(j, &vlm, e);
        train_and_save(j, &vlm, &pairs, e);
        vlm_close(&vlm);
    }
    kept_free(&pairs);
    return e->status;
}

static Status clean(const Job *j, Error *e)
{
    char *state = level_states(j, e);
    state_remove_all(state, e);
    free(state);
    return e->status;
}

const Stage stage_level = {"level", RESULT_ALIGNED, RESULT_ALIGNED, true, needs, run, NULL, clean};
