/* Stage 3, parity leveler: the student is fine-tuned on the kept pairs only. Reads parity.json and
 * the pictures; writes metrics.jsonl, timings.jsonl and aligned/. Interrupted, it leaves a state
 * in level.state/ from which it goes on. (The paper, section "Parity Leveler".) */
#include "mpa/level.h"
#include "mpa/stage.h"

#include "base/file.h"
#include "base/folder.h"
#include "base/hash.h"
#include "base/number.h"
#include "base/progress.h"
#include "data/items.h"
#include "job/fingerprint.h"
#include "job/questions.h"
#include "mpa/holdout.h"
#include "model/adapter.h"
#include "mpa/audit.h"
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

/* -------------------------------------------------------------------------------------- the pairs */

/* Appends the human's words without the picture's mark and the line end beside it. */
static Status add_question(Text *out, const char *value, Error *e)
{
    static const char mark[] = "<image>";
    const char *at = strstr(value, mark);
    if (!at) {
        text_add(out, value, e);
        return e->status;
    }
    const char *before = at;
    const char *after = at + strlen(mark);
    before -= before > value && before[-1] == '\n';
    after += *after == '\n';
    text_format(out, e, "%.*s%s", (int)(before - value), value, after);
    return e->status;
}

/* What `from` says in the entry's conversation; NULL: nothing. */
static const char *said_by(const json_t *o, const char *from)
{
    const json_t *list = json_object_get(o, "conversations");
    const json_t *turn;
    size_t i;
    json_array_foreach(list, i, turn)
    {
        const char *who = json_string_value(json_object_get(turn, "from"));
        if (who && !strcmp(who, from))
            return json_string_value(json_object_get(turn, "value"));
    }
    return NULL;
}

/* *held counts pairs whose pictures are held out. */
static Status read_pair(const Job *j, Questions *pairs, const Json *source, size_t i, int64_t *held, Error *e)
{
    const json_t *o = json_array_get(source->root, i);
    const json_t *id = json_object_get(o, "id");
    const char *image = json_string_value(json_object_get(o, "image"));
    const char *human = said_by(o, "human");
    const char *gpt = said_by(o, "gpt");
    const PictureSource pictures = picture_source_data(&j->config);
    Text question = {0};
    bool missing = false;
    if (!image || !human || !gpt || (!json_is_integer(id) && !json_is_string(id)))
        return error_set(e, BAD_INPUT,
                         "%s: entry %zu: wanted id, image, and conversations of a human and a gpt",
                         source->path, i);
    const double part = holdout_part(j);
    if (part > 0) {
        id_text(&question, id, e);
        const bool out = holdout_has(part, text_string(&question));
        text_free(&question);
        *held += out;
        if (out)
            return e->status;
    }
    char *file = picture_file(&pictures, image, &missing, e);
    add_question(&question, human, e);
    if (missing)
        log_warning(&j->log, "%s: is missing; the pair is left out", image);
    else
        questions_add(pairs, (int64_t)i, id, file, text_string(&question), NULL, gpt, e);
    text_free(&question);
    return e->status;
}

/* There is nothing to learn: why, as far as the audit knows. */
static Status no_pairs(const Job *j, const char *path, Error *e)
{
    Text reasons = {0};
    audit_reasons(j, &reasons, e);
    if (e->status == OK)
        error_set(e, FAILED, "%s: holds no pairs, so there is nothing to learn%s%s", path,
                  reasons.count ? ". What became of the annotations: "
                                : ": the teacher was never right where the student was wrong",
                  text_string(&reasons));
    text_free(&reasons);
    return e->status;
}

/* The kept pairs. *source holds their answers. */
static Status read_pairs(const Job *j, Questions *pairs, Json *source, Error *e)
{
    int64_t held = 0;
    char *path = job_path(j, result_name[RESULT_PARITY], e);
    if (path && !file_exists(path))
        error_set(e, BAD_USAGE, "%s: there are no kept pairs yet; run `mpa identify` first", path);
    job_read_list(source, path, e);
    for (size_t i = 0; i < json_array_size(source->root) && e->status == OK; i++)
        read_pair(j, pairs, source, i, &held, e);
    if (held)
        log_info(
            &j->log,
            "level: %lld pairs are held out: without evaluate.questions they measure the agreement with the "
            "teacher (evaluate.holdout)",
            (long long)held);
    if (e->status == OK && !pairs->count)
        no_pairs(j, path, e);
    free(path);
    return e->status;
}

/* ------------------------------------------------------------------------------------ the training */

TrainOptions level_options(const Config *c)
{
    const LevelConfig *l = &c->level;
    return (TrainOptions){.level = *l,
                          .seed = (uint64_t)c->run.seed,
                          .pictures = {l->min_pixels ? l->min_pixels : c->image.min_pixels,
                                       l->max_pixels ? l->max_pixels : c->image.max_pixels,
                                       c->image.published},
                          .memory = c->run.memory};
}

/* What must be the same to resume: pairs, settings, student, arithmetic. */
static Status describe(const Job *j, const Questions *pairs, Text *out, Error *e)
{
    json_t *files = fingerprint_model(j, j->config.student.model, e);
    const uint64_t model = fingerprint_json(files, e);
    uint64_t h = HASH_START;
    char arithmetic[GEMM_DESCRIPTION];
    for (int64_t i = 0; i < pairs->count; i++) {
        const char *const parts[] = {pairs->id[i], pairs->file[i], pairs->text[i], pairs->question[i].answer};
        const uint64_t picture = fingerprint_file(j, pairs->file[i], e);
        for (size_t k = 0; k < sizeof parts / sizeof *parts; k++)
            h = hash_text(h, parts[k]);
        h = hash_bytes(h, &picture, sizeof picture);
    }
    text_format(out, e, "%lld pairs %016llx; student %016llx; seed %lld", (long long)pairs->count,
                (unsigned long long)h, (unsigned long long)model, (long long)j->config.run.seed);
    config_training(&j->config, out, e);
    if (j->config.level.method == METHOD_LORA && *j->config.level.lora_init) {
        json_t *adapter = fingerprint_model(j, j->config.level.lora_init, e);
        text_format(out, e, "; adapter %016llx", (unsigned long long)fingerprint_json(adapter, e));
        json_decref(adapter);
    }
    text_format(out, e, "; %s", gemm_description(arithmetic));
    json_decref(files);
    return e->status;
}

int64_t level_memory(const Vlm *vlm, const Question *first, int64_t pairs, const TrainOptions *o, Error *e)
{
    const ChatOptions chat = {o->level.chat_newline};
    const int64_t micro = min_i64(o->level.micro_batch, pairs);
    Samples samples;
    samples_load(&samples, vlm, first, 1, &o->pictures, &chat, e);
    PassSize size = pass_size(&samples);
    size.rows *= micro;
    size.picture_tokens *= micro;
    samples_free(&samples);
    return e->status == OK ? estimate_state(vlm, &o->level) + estimate_pass(vlm, size, true) : 0;
}

int64_t level_disk(const Job *j, const Vlm *vlm, int64_t *largest, Error *e)
{
    char *states = job_path(j, state_folder, e);
    const int64_t need = estimate_disk(vlm, &j->config.level, largest);
    const int64_t there = states ? state_bytes(states) : 0;
    free(states);
    return max_i64(0, need - there);
}

static Status check_room(const Job *j, const Vlm *vlm, const Questions *pairs, const TrainOptions *o,
                         Error *e)
{
    int64_t largest = 0;
    job_check_memory(j, level_memory(vlm, pairs->question, pairs->count, o, e), "fine-tuning", e);
    const int64_t disk = level_disk(j, vlm, &largest, e);
    return job_check_disk(j, disk, largest, "fine-tuning (two states and aligned/)", e);
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

static void show_step(void *user, const TrainProgress *p)
{
    Progress *progress = user;
    char note[60];
    if (!progress->done) /* the first step of this process, which may go on where another stopped */
        progress->first = p->step - 1;
    snprintf(note, sizeof note, "loss %.4f, %lld tokens", p->loss, (long long)p->tokens);
    progress_show(progress, p->step, note);
}

static Status train_and_save(const Job *j, Vlm *vlm, const Questions *pairs, Error *e)
{
    Text print = {0};
    Progress progress;
    const TrainOptions o = level_options(&j->config);
    const int64_t steps = schedule_steps(&o.level, pairs->count);
    char *state = job_path(j, state_folder, e);
    char *metrics = job_path(j, "metrics.jsonl", e);
    char *timings = job_path(j, "timings.jsonl", e);
    char *aligned = job_path(j, result_name[RESULT_ALIGNED], e);
    bool resumes;
    result_begin(j, RESULT_ALIGNED, &resumes, e);
    if (!resumes)
        state_remove_all(state, e);
    describe(j, pairs, &print, e);
    check_room(j, vlm, pairs, &o, e);
    if (e->status == OK)
        log_info(&j->log, "level: %lld pairs, %lld steps", (long long)pairs->count, (long long)steps);
    progress_begin(&progress, &j->log, "level", 0, steps);
    const TrainFiles files = {state, metrics, timings, text_string(&print)};
    const TrainWatch watch = {.stop = j->stop, .progress = show_step, .user = &progress};
    train(vlm, pairs->question, pairs->count, &o, &files, &watch, e);
    progress_end(&progress);
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
    Questions pairs = {0};
    Json source = {0};
    Vlm vlm;
    read_pairs(j, &pairs, &source, e);
    fit(j, pairs.count, e);
    check_updates(j, pairs.count, e);
    if (e->status == OK && job_open_model(j, &vlm, j->config.student.model, NULL, e) == OK) {
        start_adapters(j, &vlm, e);
        train_and_save(j, &vlm, &pairs, e);
        vlm_close(&vlm);
    }
    questions_free(&pairs);
    json_close(&source);
    return e->status;
}

static Status clean(const Job *j, Error *e)
{
    char *state = job_path(j, state_folder, e);
    state_remove_all(state, e);
    free(state);
    return e->status;
}

const Stage stage_level = {"level", RESULT_ALIGNED, RESULT_ALIGNED, true, needs, run, clean};
