/* The training loop: for each optimiser step its micro-batches forward and backward, then clip,
 * update, log, save. */
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/random.h"
#include "train/adamw.h"
#include "train/state.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    Vlm *vlm;
    const TrainPair *pairs;
    int64_t count;
    const TrainOptions *o;
    const TrainFiles *files;
    Optimiser optimiser;
    Arena arena;    /* kept over all steps */
    int64_t *order; /* [count], of the current epoch */
    Error *error;
} Trainer;

/* The pairs of one micro-batch as samples with their pictures. */
typedef struct {
    Sample *samples;
    Picture *pictures;
    int64_t n_samples, n_pictures;
} Micro;

/* What one optimiser step adds up. */
typedef struct {
    double loss;
    int64_t tokens;
} StepSum;

static void micro_free(Micro *m)
{
    for (int64_t i = 0; i < m->n_samples; i++)
        sample_free(m->samples + i);
    for (int64_t i = 0; i < m->n_pictures; i++)
        picture_free(m->pictures + i);
    free(m->samples);
    free(m->pictures);
    *m = (Micro){0};
}

static Status micro_load(Trainer *t, Micro *m, const int64_t *which, int64_t n)
{
    int64_t pictures = 0;
    for (int64_t i = 0; i < n; i++)
        pictures += t->pairs[which[i]].n_images;
    *m = (Micro){memory_new(n, sizeof *m->samples, t->error),
                 memory_new(pictures, sizeof *m->pictures, t->error), 0, 0};
    Status status = m->samples && m->pictures ? OK : NO_MEMORY;
    for (int64_t i = 0; i < n && status == OK; i++) {
        const TrainPair *p = t->pairs + which[i];
        const Picture *first = m->pictures + m->n_pictures;
        for (int64_t k = 0; k < p->n_images && status == OK; k++)
            status =
                vlm_picture(t->vlm, m->pictures + m->n_pictures++, p->images[k], &t->o->limits, t->error);
        if (status == OK)
            status = vlm_training_sample(t->vlm, m->samples + m->n_samples++, first, p->n_images, p->question,
                                         p->answer, t->o->level.chat_newline, t->error);
        if (status != OK)
            error_prefix(t->error, "pair %s", p->id);
    }
    return status;
}

/* Label tokens of a pair: its answer with its end. */
static int64_t label_count(Trainer *t, int64_t pair)
{
    Ids ids = {0};
    t->vlm->family->answer(t->vlm, &ids, t->pairs[pair].answer, t->o->level.chat_newline, t->error);
    int64_t count = ids.count;
    ids_free(&ids);
    return count;
}

/* Whether activations are too many to keep: then blocks run a second time on the way back. */
static bool must_recompute(const Trainer *t, const Micro *m)
{
    int64_t rows = 0, picture_rows = 0;
    for (int64_t i = 0; i < m->n_samples; i++)
        rows += m->samples[i].count;
    for (int64_t i = 0; i < m->n_pictures; i++)
        picture_rows += m->pictures[i].tokens;
    int64_t need = train_bytes(t->vlm, rows, picture_rows, false) - train_bytes(t->vlm, 0, 0, false);
    uint64_t room = memory_available();
    return room && (uint64_t)need > room / 2;
}

/* One pass forward and back. `step_tokens`: label tokens of the whole step when the loss is
 * their mean, else 0. */
static Status micro_step(Trainer *t, const int64_t *which, int64_t n, int64_t step_tokens, StepSum *sum)
{
    Micro m;
    Status status = micro_load(t, &m, which, n);
    ArenaMark mark = arena_mark(&t->arena);
    Run run = {.arena = &t->arena, .error = t->error};
    if (status == OK) {
        const int64_t *rows, parts = t->o->level.batch / t->o->level.micro_batch;
        const int32_t *labels;
        double loss = 0;
        run.recompute = must_recompute(t, &m);
        run.tape = tape_new(&run);
        const Batch *b = batch_pack(&run, m.samples, m.n_samples);
        int64_t count = b ? batch_labels(&run, b, m.samples, &rows, &labels) : 0;
        double scale = step_tokens ? 1 / (double)step_tokens : 1 / ((double)count * (double)parts);
        if (b && !count)
            error_set(t->error, BAD_INPUT, "pair %s: no token of it counts in the loss",
                      t->pairs[which[0]].id);
        Mat *hidden = count ? vlm_forward(&run, t->vlm, b, NULL) : NULL;
        if (hidden && head_cross_entropy(&run, &t->vlm->head, gather_rows(&run, hidden, rows, count), labels,
                                         scale, &loss))
            run_backward(&run);
        sum->loss += loss;
        sum->tokens += count;
        status = t->error->status;
    }
    arena_release(&t->arena, mark);
    micro_free(&m);
    return status;
}

/* The pairs of a step, for a message. */
static void list_pairs(const Trainer *t, const int64_t *which, int64_t n, char *text, size_t size)
{
    size_t used = 0;
    text[0] = 0;
    for (int64_t i = 0; i < n && used + 30 < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%.20s", i ? " " : "", t->pairs[which[i]].id);
}

static Status write_metrics(Trainer *t, int64_t epoch, const StepSum *sum, double factor, double norm,
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
static Status update(Trainer *t, const int64_t *which, int64_t n, const StepSum *sum, double factor,
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
    StepSum sum = {0};
    int64_t tokens = 0;
    Status status = OK;
    optimiser_clear_gradients(&t->optimiser);
    for (int64_t i = 0; t->o->level.loss == LOSS_TOKEN && i < n; i++)
        tokens += label_count(t, which[i]);
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

Status train(Vlm *vlm, const TrainPair *pairs, int64_t count, const TrainOptions *o, const TrainFiles *files,
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
