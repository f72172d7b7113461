/* The training loop: for each optimiser step its micro-batches forward and backward, then clip,
 * update, log, save. */
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/random.h"
#include "model/loss.h"
#include "train/adamw.h"
#include "train/state.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    Vlm *vlm;
    const Question *pairs;
    int64_t count;
    const TrainOptions *o;
    const TrainFiles *files;
    Optimiser optimiser;
    Arena arena;    /* kept over all steps */
    int64_t *order; /* [count], of the current epoch */
    Error *error;
} Trainer;

/* Whether activations are too many to keep: then blocks run a second time on the way back. */
static bool must_recompute(const Trainer *t, const Samples *m)
{
    int64_t rows = 0, picture_rows = 0;
    for (int64_t i = 0; i < m->count; i++)
        rows += m->sample[i].count;
    for (int64_t i = 0; i < m->pictures; i++)
        picture_rows += m->picture[i].tokens;
    int64_t need = train_bytes(t->vlm, rows, picture_rows, false) - train_bytes(t->vlm, 0, 0, false);
    uint64_t room = memory_available();
    return room && (uint64_t)need > room / 2;
}

/* One pass forward and back. `step_tokens`: label tokens of the whole step when the loss is
 * their mean, else 0. */
static Status micro_step(Trainer *t, const int64_t *which, int64_t n, int64_t step_tokens, LossSum *sum)
{
    ArenaMark mark = arena_mark(&t->arena);
    Run run = {.arena = &t->arena, .error = t->error};
    const ChatOptions chat = {t->o->level.chat_newline};
    Samples m = {0};
    Question *pairs = run_alloc(&run, n, sizeof *pairs);
    for (int64_t i = 0; pairs && i < n; i++)
        pairs[i] = t->pairs[which[i]];
    samples_load(&m, t->vlm, pairs, n, &t->o->pictures, &chat, t->error);
    int64_t labels = samples_labels(m.sample, m.count);
    if (t->error->status == OK && !labels)
        error_set(t->error, BAD_INPUT, "pair %s: no token of it counts in the loss", pairs[0].id);
    if (t->error->status == OK) {
        int64_t parts = t->o->level.batch / t->o->level.micro_batch;
        double scale = step_tokens ? 1 / (double)step_tokens : 1 / ((double)labels * (double)parts);
        run.recompute = must_recompute(t, &m);
        run.tape = tape_new(&run);
        vlm_loss(&run, t->vlm, m.sample, m.count, scale, sum);
    }
    samples_free(&m);
    arena_release(&t->arena, mark);
    return t->error->status;
}

/* The pairs of a step, for a message. */
static void list_pairs(const Trainer *t, const int64_t *which, int64_t n, char *text, size_t size)
{
    size_t used = 0;
    text[0] = 0;
    for (int64_t i = 0; i < n && used + 30 < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%.20s", i ? " " : "", t->pairs[which[i]].id);
}

static Status write_metrics(Trainer *t, int64_t epoch, const LossSum *sum, double factor, double norm,
                            double seconds)
{
    char line[400];
    snprintf(line, sizeof line,
             "{\"step\": %lld, \"epoch\": %lld, \"loss\": %.9g, \"lr\": %.9g, \"grad_norm\": %.9g, "
             "\"tokens\": %lld}\n",
             (long long)t->optimiser.step, (long long)epoch, sum->loss, t->o->level.learning_rate * factor,
             norm, (long long)sum->tokens);
    Status status = file_append(t->files->metrics_path, line, strlen(line), t->error);
    snprintf(line, sizeof line, "{\"step\": %lld, \"seconds\": %.4f}\n", (long long)t->optimiser.step,
             seconds);
    return status == OK ? file_append(t->files->timings_path, line, strlen(line), t->error) : status;
}

/* Checks the gradient, clips and updates. */
static Status update(Trainer *t, const int64_t *which, int64_t n, const LossSum *sum, double factor,
                     double *norm)
{
    *norm = optimiser_norm(&t->optimiser);
    if (!isfinite(sum->loss) || !isfinite(*norm)) {
        char pairs[300];
        const char *name = optimiser_not_finite(&t->optimiser);
        list_pairs(t, which, n, pairs, sizeof pairs);
        return error_set(t->error, NOT_FINITE,
                         "training step %lld: loss %g, gradient norm %g; first gradient that is not finite: "
                         "%s; pairs of the step: %s. No update was made; "
                         "lower level.learning_rate or remove the pairs",
                         (long long)t->optimiser.step + 1, sum->loss, *norm, name ? name : "none", pairs);
    }
    double scale = t->o->level.clip > 0 ? t->o->level.clip / (*norm + 1e-6) : 1;
    optimiser_update(&t->optimiser, &t->o->level, scale < 1 ? scale : 1, factor);
    return OK;
}

/* Step over pairs which[0 .. n - 1]. */
static Status step(Trainer *t, const int64_t *which, int64_t n, int64_t epoch, int64_t total)
{
    double begin = clock_seconds(), norm = 0;
    double factor =
        schedule_factor(t->o->level.schedule, t->optimiser.step, train_warmup(&t->o->level, total), total);
    LossSum sum = {0};
    const ChatOptions chat = {t->o->level.chat_newline};
    int64_t tokens = 0;
    Status status = OK;
    optimiser_clear_gradients(&t->optimiser);
    for (int64_t i = 0; t->o->level.loss == LOSS_TOKEN && i < n; i++)
        tokens += vlm_answer_tokens(t->vlm, t->pairs + which[i], &chat, t->error);
    for (int64_t i = 0; i < n && status == OK; i += t->o->level.micro_batch) {
        if (t->files->stop && *t->files->stop) {
            status = t->o->level.save_every ? state_save(&t->optimiser, t->files, t->error) : OK;
            return status == OK ? error_set(t->error, INTERRUPTED, "interrupted") : status;
        }
        status = micro_step(t, which + i, n - i < t->o->level.micro_batch ? n - i : t->o->level.micro_batch,
                            tokens, &sum);
    }
    if (status == OK)
        status = update(t, which, n, &sum, factor, &norm);
    if (status == OK)
        status = write_metrics(t, epoch, &sum, factor, norm, clock_seconds() - begin);
    if (status == OK && t->o->level.save_every && t->optimiser.step % t->o->level.save_every == 0 &&
        t->optimiser.step < total)
        status = state_save(&t->optimiser, t->files, t->error);
    if (status == OK && t->files->progress)
        t->files->progress(t->files->user, t->optimiser.step, total, sum.loss, sum.tokens);
    return status;
}

static void order_epoch(Trainer *t, int64_t epoch)
{
    for (int64_t i = 0; i < t->count; i++)
        t->order[i] = i;
    if (t->o->level.shuffle)
        random_permutation(t->order, t->count, t->o->seed, (uint64_t)epoch);
}

/* From the first step that is not in the state taken up. */
static Status steps(Trainer *t)
{
    int64_t total = train_steps(&t->o->level, t->count), epoch = -1;
    Status status = OK;
    while (status == OK && t->optimiser.step < total) {
        StepPairs now = train_step_pairs(&t->o->level, t->count, t->optimiser.step);
        if (now.epoch != epoch)
            order_epoch(t, epoch = now.epoch);
        status = step(t, t->order + now.first, now.count, epoch + 1, total);
    }
    return status;
}

Status train(Vlm *vlm, const Question *pairs, int64_t count, const TrainOptions *o, const TrainFiles *files,
             Error *e)
{
    Trainer t = {.vlm = vlm, .pairs = pairs, .count = count, .o = o, .files = files, .error = e};
    arena_init(&t.arena);
    t.order = memory_new(count, sizeof *t.order, e);
    Status status = t.order ? optimiser_init(&t.optimiser, &vlm->checkpoint, &o->level, e) : NO_MEMORY;
    if (status == OK)
        status = state_resume(&t.optimiser, files, e);
    if (status == OK)
        status = steps(&t);
    optimiser_free(&t.optimiser);
    arena_free(&t.arena);
    free(t.order);
    return status;
}

int64_t train_bytes(const Vlm *vlm, int64_t rows, int64_t picture_rows, bool recompute)
{
    int64_t weights = 0, floats = (int64_t)sizeof(float);
    for (int64_t i = 0; i < vlm->checkpoint.params; i++)
        weights += vlm->checkpoint.param[i]->count * 4 * floats;
    /* One block at a time has the gradients of its values, every block that of its input; with
     * recomputation only one keeps the values too. */
    int64_t text = rows * vlm->row_bytes, pictures = picture_rows * vlm->picture_row_bytes,
            block = text + pictures;
    int64_t inputs = rows * vlm->width * floats * vlm->layers,
            all = text * vlm->layers + pictures * vlm->picture_layers;
    return weights + block + (recompute ? block + 2 * inputs : all + inputs) + 2 * 128 * vlm->vocab * floats;
}
