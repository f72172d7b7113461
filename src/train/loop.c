/* The training loop.
 *
 * A step: for each pass (micro-batch) of it forward, loss, backward; then the norm of all
 * gradients, clipping, AdamW, a line in the logs, and from time to time a state.
 *
 * The loss of a step is the mean over its passes of their mean over labels (LOSS_MICRO_BATCH, what
 * transformers 4.49 computes for models whose forward takes no num_items_in_batch), or the mean
 * over all labels of the step (LOSS_TOKEN). Each pass scales its loss so that the gradients of the
 * passes add up to the step's.
 *
 * Invariant: everything that decides the next step is in the optimiser (masters, moments, number of
 * steps made) and in the options. So a state is the optimiser alone, and a resumed run makes the
 * same bits. */
#include "train/train.h"

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/number.h"
#include "base/progress.h"
#include "base/random.h"
#include "model/loss.h"
#include "train/estimate.h"
#include "train/features.h"
#include "train/offload.h"
#include "train/schedule.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    Vlm *vlm;
    const Question *pairs;
    int64_t count;
    const TrainOptions *options;
    const TrainFiles *files;
    TrainWatch watch;
    Optimiser optimiser;
    Arena arena; /* of a pass; its memory is used again by the next */
    Features features;
    int64_t room;   /* bytes for all of the training, the map too; 0: not known */
    int64_t *order; /* [count], of the current epoch */
    double *each;   /* [count] loss of each pair of the step, before its update */
    int64_t steps;
    double saved; /* when a state was saved last, or the run began, by the watch's clock */
    Error *error;
} Trainer;

/* A step while it runs. */
typedef struct {
    int64_t epoch;        /* from 0 */
    const int64_t *which; /* [count] numbers of its pairs; borrowed */
    int64_t count;
    double factor; /* of the learning rate */
    LossSum sum;
    double norm; /* of the gradient, before clipping */
} Step;

static ChatOptions chat_options(const Trainer *t)
{
    return (ChatOptions){.newline = t->options->level.chat_newline};
}

/* Labels of the step's answers. */
static int64_t count_labels(const Trainer *t, const Step *s)
{
    const ChatOptions chat = chat_options(t);
    int64_t labels = 0;
    for (int64_t i = 0; i < s->count; i++)
        labels += vlm_answer_tokens(t->vlm, t->pairs + s->which[i], &chat, t->error);
    return labels;
}

/* Fits the pass into memory. True: it is too large to keep what its blocks compute. *spare: how many bytes it leaves for
 * features that a later epoch asks for. */
static bool fit_pass(Trainer *t, const Samples *samples, bool last_epoch, int64_t *spare)
{
    const LevelConfig *level = &t->options->level;
    const PassSize size = pass_size(t->vlm, level, samples);
    const int64_t taken = estimate_state(t->vlm, level) + estimate_mapped(t->vlm, level) + t->features.bytes;
    const bool again = estimate_recompute(estimate_pass(t->vlm, size, false), t->room, taken);
    const int64_t pass = estimate_pass(t->vlm, size, again);
    t->arena.expected = (size_t)pass;
    *spare = last_epoch ? 0 : estimate_spare(pass, t->room, taken);
    return again;
}

/* What the pass's pictures are to frozen parts. */
static Status use_features(Trainer *t, Run *run, Samples *samples, const int64_t *which, int64_t spare)
{
    Picture *p = samples->picture;
    if (!estimate_frozen(t->vlm, &t->options->level))
        return run->error->status;
    for (int64_t i = 0; i < samples->count; i++) {
        const int64_t before = t->features.bytes;
        features_use(&t->features, run, t->vlm, which[i], p, samples->sample[i].n_pictures, spare);
        spare -= t->features.bytes - before;
        p += samples->sample[i].n_pictures;
    }
    return run->error->status;
}

/* Forward and backward over pairs which[count]. step_labels: the labels of the whole step where
 * the loss is their mean, else 0. */
static Status run_pass(Trainer *t, Step *s, const int64_t *which, int64_t count, int64_t step_labels)
{
    ArenaMark mark = arena_mark(&t->arena);
    const DropoutKey dropout = {t->options->seed, t->optimiser.step, which[0]};
    Run run = {.arena = &t->arena, .error = t->error, .dropout = &dropout};
    const ChatOptions chat = chat_options(t);
    Samples samples;
    Question *pairs = run_alloc(&run, count, sizeof *pairs);
    for (int64_t i = 0; pairs && i < count; i++)
        pairs[i] = t->pairs[which[i]];
    samples_load(&samples, t->vlm, pairs, count, &t->options->pictures, &chat, t->error);
    int64_t labels = samples_labels(samples.sample, samples.count);
    if (t->error->status == OK && !labels)
        error_set(t->error, BAD_INPUT, "pair %s: no token of it counts in the loss", pairs[0].id);
    if (t->error->status == OK) {
        int64_t passes = t->options->level.batch / t->options->level.micro_batch;
        double scale = step_labels ? 1 / (double)step_labels : 1 / ((double)labels * (double)passes);
        int64_t spare;
        run.recompute = fit_pass(t, &samples, s->epoch + 1 >= t->options->level.epochs, &spare);
        use_features(t, &run, &samples, which, spare);
        run.tape = tape_new(&run);
        s->sum.each = t->each + (which - s->which);
        vlm_loss(&run, t->vlm, samples.sample, samples.count, scale, &s->sum);
    }
    samples_free(&samples);
    arena_release(&t->arena, mark);
    return t->error->status;
}

static bool is_stopped(const Trainer *t)
{
    return t->watch.stop && *t->watch.stop;
}

static double now_of(const Trainer *t)
{
    return t->watch.clock ? t->watch.clock() : clock_seconds();
}

/* The state as it is now, if states are wanted. With offload it is there. */
static Status save_state(Trainer *t)
{
    if (t->options->level.save_every && !optimiser_offloads(&t->options->level))
        state_save(&t->optimiser, t->files, t->error);
    t->saved = now_of(t);
    return t->error->status;
}

/* All passes of a step; their gradients are added up. Between two passes the run can be stopped:
 * the state is then the one before this step. */
static Status run_passes(Trainer *t, Step *s)
{
    const LevelConfig *level = &t->options->level;
    int64_t step_labels = level->loss == LOSS_TOKEN ? count_labels(t, s) : 0;
    optimiser_clear_gradients(&t->optimiser);
    for (int64_t i = 0; i < s->count && t->error->status == OK; i += level->micro_batch) {
        if (is_stopped(t)) {
            save_state(t);
            return error_set(t->error, INTERRUPTED, "interrupted");
        }
        progress_inside((double)i / (double)s->count, "sample %lld of %lld of the step", (long long)i + 1,
                        (long long)s->count);
        run_pass(t, s, s->which + i, min_i64(level->micro_batch, s->count - i), step_labels);
    }
    return t->error->status;
}

/* The pairs of a step, for a message. */
static void list_pairs(const Trainer *t, const Step *s, char *text, size_t size)
{
    size_t used = 0;
    text[0] = 0;
    for (int64_t i = 0; i < s->count && used + 30 < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%.20s", i ? " " : "", t->pairs[s->which[i]].id);
}

/* The first patch that has a value that is not finite; p->rows: none has. */
static int64_t bad_patch(const Picture *p)
{
    int64_t at = 0;
    while (at < p->rows * p->cols && isfinite(p->pixels[at]))
        at++;
    return at / p->cols;
}

/* Appends the first picture of the pair that has one, if any has. */
static void say_bad_picture(const Trainer *t, const Question *pair, char *text, size_t size)
{
    const ChatOptions chat = chat_options(t);
    Samples samples;
    Error e = {0};
    samples_load(&samples, t->vlm, pair, 1, &t->options->pictures, &chat, &e);
    int64_t i = 0;
    while (i < samples.pictures && bad_patch(samples.picture + i) == samples.picture[i].rows)
        i++;
    int64_t number = i; /* in its turn */
    for (; i < samples.pictures && number >= pair->n_images; pair = pair->next)
        number -= pair->n_images;
    if (i < samples.pictures) {
        const size_t used = strlen(text);
        snprintf(text + used, size - used, ", whose picture %.150s is not finite in patch %lld",
                 pair->images[number], (long long)bad_patch(samples.picture + i));
    }
    samples_free(&samples);
}

/* Says where it began: a weight, from which everything after it has its numbers, or else a pair's loss, and
 * its picture if that is where it began, or the gradient that backward came to first. */
static Status not_finite(const Trainer *t, const Step *s)
{
    char pairs[300];
    char where[400] = "";
    const char *weight = weight_not_finite(t->vlm);
    const char *gradient = optimiser_not_finite(&t->optimiser);
    int64_t bad = 0;
    while (bad < s->count && isfinite(t->each[bad]))
        bad++;
    if (weight)
        snprintf(where, sizeof where, "first weight that is not finite: %s", weight);
    else if (bad < s->count) {
        snprintf(where, sizeof where, "first loss that is not finite: of pair %.100s",
                 t->pairs[s->which[bad]].id);
        say_bad_picture(t, t->pairs + s->which[bad], where, sizeof where);
    } else
        snprintf(where, sizeof where, "first gradient that is not finite, in backward: %s",
                 gradient ? gradient : "none");
    list_pairs(t, s, pairs, sizeof pairs);
    return error_set(
        t->error, NOT_FINITE,
        "training step %lld: loss %g, gradient norm %g; %s; pairs of the step: %s. No update was "
        "made; lower level.learning_rate or remove the pairs",
        (long long)t->optimiser.step + 1, s->sum.loss, s->norm, where, pairs);
}

/* Clips the gradient's norm and updates, if everything is finite. next: with offload the state that
 * this begins, to be ended; else NULL. */
static Status update(Trainer *t, Step *s, StateWriter *next)
{
    const LevelConfig *level = &t->options->level;
    if (t->error->status != OK)
        return t->error->status;
    s->norm = optimiser_norm(&t->optimiser);
    if (!isfinite(s->sum.loss) || !isfinite(s->norm))
        return not_finite(t, s);
    const double scale = clip_scale(s->norm, level->clip);
    if (next)
        return offload_update(&t->optimiser, level, scale, s->factor, t->files, next, t->error);
    optimiser_update(&t->optimiser, level, scale, s->factor);
    return OK;
}

static Status append_line(const char *path, const char *line, Error *e)
{
    return file_append(path, line, strlen(line), e);
}

/* {"id": loss, ...} of the step's pairs. */
static json_t *pair_losses(const Trainer *t, const Step *s)
{
    json_t *losses = json_object();
    for (int64_t i = 0; i < s->count; i++)
        json_put(losses, t->pairs[s->which[i]].id, json_real(t->each[i]), t->error);
    return losses;
}

static Status write_metrics(Trainer *t, const Step *s)
{
    Text line = {0};
    json_t *losses = pair_losses(t, s);
    text_format(&line, t->error,
                "{\"step\": %lld, \"epoch\": %lld, \"loss\": %.9g, \"lr\": %.9g, \"grad_norm\": %.9g, "
                "\"tokens\": %lld, \"pairs\": ",
                (long long)t->optimiser.step, (long long)s->epoch + 1, s->sum.loss,
                t->options->level.learning_rate * s->factor, s->norm, (long long)s->sum.tokens);
    json_print(&line, losses, JSON_REAL_PRECISION(9), t->error);
    text_add(&line, "}\n", t->error);
    append_line(t->files->metrics_path, text_string(&line), t->error);
    text_free(&line);
    json_decref(losses);
    return t->error->status;
}

static Status write_logs(Trainer *t, const Step *s, double seconds)
{
    char line[100];
    write_metrics(t, s);
    snprintf(line, sizeof line, "{\"step\": %lld, \"seconds\": %.4f}\n", (long long)t->optimiser.step,
             seconds);
    return append_line(t->files->timings_path, line, t->error);
}

/* After every save_every-th step, when the last state is SAVE_SECONDS old, and after the last step:
 * writing the result can fail too. */
static bool state_is_due(const Trainer *t)
{
    enum { SAVE_SECONDS = 600 };
    int64_t every = t->options->level.save_every;
    int64_t step = t->optimiser.step;
    return every && (step % every == 0 || step == t->steps || now_of(t) - t->saved >= SAVE_SECONDS);
}

static Status run_step(Trainer *t, Step *s)
{
    double begin = clock_seconds();
    StateWriter next = {0};
    const bool offloads = optimiser_offloads(&t->options->level);
    run_passes(t, s);
    update(t, s, offloads ? &next : NULL);
    if (t->error->status == OK)
        write_logs(t, s, clock_seconds() - begin);
    if (next.piece) /* it was begun */
        state_end(&next, &t->optimiser, t->files, t->error);
    if (t->error->status == OK && state_is_due(t))
        save_state(t);
    if (t->error->status == OK && t->watch.progress) {
        const TrainProgress p = {t->optimiser.step, t->steps, s->sum.loss, s->sum.tokens,
                                 (int64_t)t->arena.peak};
        t->watch.progress(t->watch.user, &p);
    }
    return t->error->status;
}

static void order_epoch(Trainer *t, int64_t epoch)
{
    for (int64_t i = 0; i < t->count; i++)
        t->order[i] = i;
    if (t->options->level.shuffle)
        random_permutation(t->order, t->count, t->options->seed, (uint64_t)epoch);
}

/* From the first step that the optimiser has not made. */
static Status run_steps(Trainer *t)
{
    const LevelConfig *level = &t->options->level;
    int64_t epoch = -1;
    while (t->error->status == OK && t->optimiser.step < t->steps) {
        StepSamples now = schedule_samples(level, t->count, t->optimiser.step);
        if (now.epoch != epoch)
            order_epoch(t, now.epoch);
        epoch = now.epoch;
        Step s = {.epoch = now.epoch,
                  .which = t->order + now.first,
                  .count = now.count,
                  .factor = schedule_factor(level, t->optimiser.step, t->steps)};
        run_step(t, &s);
    }
    return t->error->status;
}

/* Owned: trainer_free. */
static Status trainer_init(Trainer *t, Vlm *vlm, const Question *pairs, int64_t count, const TrainOptions *o,
                           Error *e)
{
    *t = (Trainer){.vlm = vlm,
                   .pairs = pairs,
                   .count = count,
                   .options = o,
                   .steps = schedule_steps(&o->level, count),
                   .room = (int64_t)memory_available(), /* of which the mapped weights take nothing yet */
                   .error = e};
    if (o->memory)
        t->room = t->room ? min_i64(t->room, o->memory) : o->memory;
    arena_init(&t->arena);
    features_init(&t->features, count, e);
    t->order = memory_new(count, sizeof *t->order, e);
    t->each = memory_new(count, sizeof *t->each, e);
    return optimiser_init(&t->optimiser, vlm, &o->level, e);
}

static void trainer_free(Trainer *t)
{
    optimiser_free(&t->optimiser);
    features_free(&t->features);
    arena_free(&t->arena);
    free(t->each);
    free(t->order);
}

Status train(Vlm *vlm, const Question *pairs, int64_t count, const TrainOptions *o, const TrainFiles *f,
             const TrainWatch *watch, Error *e)
{
    Trainer t;
    trainer_init(&t, vlm, pairs, count, o, e);
    t.files = f;
    if (watch)
        t.watch = *watch;
    state_resume(&t.optimiser, f, e);
    t.saved = now_of(&t);
    run_steps(&t);
    trainer_free(&t);
    return e->status;
}

/* Seconds of a pass over all pairs. */
static double time_pass(Trainer *t, Step *s)
{
    const double begin = clock_seconds();
    run_pass(t, s, s->which, s->count, 0);
    return clock_seconds() - begin;
}

Status train_time(Vlm *vlm, const Question *pairs, int64_t count, const TrainOptions *o, TrainTime *time,
                  Error *e)
{
    enum { TIMES = 3 };
    const double cold = 1; /* a pass shorter than this is made again: the first one also warms up caches */
    Trainer t;
    trainer_init(&t, vlm, pairs, count, o, e);
    Step s = {.which = t.order, .count = count};
    if (t.order)
        order_epoch(&t, 0);
    *time = (TrainTime){.first = cold};
    for (int i = 0; i < TIMES && (i == 0 || time->first < cold); i++) {
        features_forget(&t.features);
        const double spent = time_pass(&t, &s);
        time->first = i && time->first < spent ? time->first : spent;
    }
    time->later = t.features.bytes ? time_pass(&t, &s) : time->first;
    const double begin = clock_seconds();
    if (optimiser_offloads(&o->level)) /* nothing is written */
        s.norm = optimiser_norm(&t.optimiser);
    else
        update(&t, &s, NULL);
    optimiser_clear_gradients(&t.optimiser);
    time->update = clock_seconds() - begin;
    trainer_free(&t);
    return e->status;
}
