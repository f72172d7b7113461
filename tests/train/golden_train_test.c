/* Short fine-tuning runs against float64 PyTorch: learning rates, losses, gradient norms of
 * every step and the final weights; and checkpoints that are saved and loaded again. */
#include "fixture/model_family.h"
#include "fixture/must.h"

#include "base/folder.h"
#include "base/text.h"
#include "tensor/run.h"
#include "model/batch.h"
#include "train/save.h"
#include "train/schedule.h"
#include "train/train.h"

#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { PAIRS = 8 };
static const char folder[] = "build/golden-train";

static LevelConfig settings_of(const json_t *o)
{
    const char *schedule = row_string(o, "schedule");
    return (LevelConfig){
        .epochs = row_integer(o, "epochs"),
        .batch = row_integer(o, "batch"),
        .micro_batch = row_integer(o, "micro_batch"),
        .learning_rate = row_double(o, "learning_rate"),
        .vision_learning_rate = row_double(o, "vision_learning_rate"),
        .merger_learning_rate = row_double(o, "merger_learning_rate"),
        .decay = !strcmp(row_string(o, "decay"), "all") ? DECAY_ALL : DECAY_NO_BIAS_NORM,
        .schedule = !strcmp(schedule, "cosine")   ? SCHEDULE_COSINE
                    : !strcmp(schedule, "linear") ? SCHEDULE_LINEAR
                                                  : SCHEDULE_CONSTANT,
        .warmup_ratio = row_double(o, "warmup_ratio"),
        .weight_decay = row_double(o, "weight_decay"),
        .beta1 = row_double(o, "beta1"),
        .beta2 = row_double(o, "beta2"),
        .epsilon = row_double(o, "epsilon"),
        .clip = row_double(o, "clip"),
        .loss = !strcmp(row_string(o, "loss"), "token") ? LOSS_TOKEN : LOSS_MICRO_BATCH,
    };
}

/* The pairs of the notes; `image` gives each its list of one. */
static int64_t pairs_of(const Golden *g, Question pair[PAIRS], const char *image[PAIRS])
{
    size_t i;
    json_t *o;
    int64_t count = 0;
    json_array_foreach(json_object_get(g->notes.root, "pairs"), i, o)
    {
        assert_true(i < PAIRS);
        image[i] = row_string(o, "picture");
        pair[i] = (Question){.images = image + i,
                             .n_images = 1,
                             .text = row_string(o, "question"),
                             .answer = row_string(o, "answer"),
                             .id = "golden"};
        count++;
    }
    return count;
}

/* At most factor * unit apart? *worst: the largest multiple of its unit so far. */
static bool close_enough(const char *what, size_t step, double got, double want, double unit, double factor,
                         double *worst)
{
    double ratio = fabs(got - want) / unit;
    *worst = ratio <= *worst ? *worst : ratio;
    if (ratio <= factor)
        return true;
    print_error("step %zu: %s is %.9g, wanted %.9g: %.3g x its unit apart, allowed %.3g\n", step + 1, what,
                got, want, ratio, factor);
    return false;
}

/* metrics.jsonl against the log of the notes. */
static bool check_log(const Golden *g, const char *path)
{
    Text file = {0};
    Error e = {0};
    file_read(&file, path, 1 << 20, &e);
    must(&e);
    const json_t *log = json_object_get(g->notes.root, "log"),
                 *error = json_object_get(g->notes.root, "log_error");
    bool good = true;
    double worst = 0, lr_worst = 0;
    size_t n = 0;
    for (const char *line = text_string(&file), *end; (end = strchr(line, '\n')); line = end + 1, n++) {
        json_t *got = json_loadb(line, (size_t)(end - line), 0, NULL);
        const json_t *want = json_array_get(log, n), *f = json_array_get(error, n);
        assert_true(got && want && f);
        good &= close_enough("lr", n, row_double(got, "lr"), row_double(want, "lr"), 1e-9, 1, &lr_worst);
        const char *const keys[] = {"loss", "grad_norm"};
        for (int k = 0; k < 2; k++) {
            double w = row_double(want, keys[k]);
            double unit = fmax(row_double(f, keys[k]), 1e-6 * fabs(w));
            good &=
                close_enough(keys[k], n, row_double(got, keys[k]), w, unit, golden_training_limit, &worst);
        }
        json_decref(got);
    }
    if (n != json_array_size(log))
        fail_msg("%s has %zu steps, wanted %zu; read src/train/schedule.c", path, n, json_array_size(log));
    print_message(
        "  golden/%s: losses and gradient norms of %zu steps, worst %.3g x PyTorch float32's own error\n",
        g->name, n, worst);
    text_free(&file);
    return good;
}

/* Final weights: at least 1e-4 of their rms counts as PyTorch's own error. */
static bool check_weights(Golden *g, const Vlm *vlm)
{
    bool good = true;
    for (int64_t i = 0; i < vlm->checkpoint.params; i++) {
        const Param *p = vlm->checkpoint.param[i];
        const json_t *e = json_object_get(json_object_get(g->notes.root, "error"), p->name);
        double unit = fmax(fmax(row_double(e, "max_abs"), 1e-4 * row_double(e, "rms")), 1e-9);
        good &= golden_within(g, p->name, p->master, p->count, unit, golden_training_limit,
                              "src/train (AdamW, groups), or a gradient: golden_model_test");
    }
    return good;
}

static void clean(void)
{
    Error e = {0};
    char path[200];
    snprintf(path, sizeof path, "%s/state", folder);
    folder_remove(path, &e);
    snprintf(path, sizeof path, "%s/saved", folder);
    folder_remove(path, &e);
    folder_remove(folder, &e);
}

static void check_run(void **state)
{
    Golden g;
    Vlm vlm;
    Error e = {0};
    Question pair[PAIRS];
    const char *image[PAIRS];
    char metrics[200], timings[200], states[200];
    clean();
    folder_make(folder, &e);
    must(&e);
    snprintf(metrics, sizeof metrics, "%s/metrics.jsonl", folder);
    snprintf(timings, sizeof timings, "%s/timings.jsonl", folder);
    snprintf(states, sizeof states, "%s/state", folder);
    const TrainFiles files = {
        .state_folder = states, .metrics_path = metrics, .timings_path = timings, .fingerprint = "golden"};
    golden_open(&g, ((const FamilyGolden *)*state)->golden);
    vlm_open(&vlm, golden_string(&g, "checkpoint"), &e);
    must(&e);
    int64_t count = pairs_of(&g, pair, image);
    TrainOptions options = {.level = settings_of(json_object_get(g.notes.root, "settings"))};
    assert_int_equal(schedule_steps(&options.level, count),
                     json_array_size(json_object_get(g.notes.root, "log")));
    train(&vlm, pair, count, &options, &files, NULL, &e);
    must(&e);
    bool log = check_log(&g, metrics), kept = json_object_size(json_object_get(g.notes.root, "error")) > 0;
    bool weights = !kept || check_weights(&g, &vlm);
    vlm_close(&vlm);
    clean();
    if (kept) {
        golden_close(&g);
    } else {
        golden_drop(&g);
    }
    if (!log)
        fail_msg("losses, gradient norms or learning rates are off; read src/train");
    if (!weights)
        fail_msg("final weights are off; read src/train");
}

/* The last hidden rows of a short prompt; arena memory. */
static const Mat *hidden_rows(const Vlm *vlm, Arena *arena)
{
    Error e = {0};
    Sample s = {0};
    Picture picture = {0};
    Run run = {.arena = arena, .error = &e};
    vlm_picture(vlm, &picture, "golden/model/odd.png", NULL, &e);
    vlm_sample(vlm, &s, &picture, &(Question){.n_images = 1, .text = "Which one is it?"}, NULL, &e);
    const Mat *h = vlm_forward(&run, vlm, batch_pack(&run, &s, 1), NULL);
    sample_free(&s);
    picture_free(&picture);
    must(&e);
    return h;
}

/* Saved as float32 and as bfloat16 (which holds these weights exactly), loaded: the same bits
 * come out. */
static void saved_and_loaded(void **state)
{
    Vlm vlm, again;
    Error e = {0};
    Arena arena;
    char path[200];
    snprintf(path, sizeof path, "%s/saved", folder);
    arena_init(&arena);
    vlm_open(&vlm, ((const FamilyGolden *)*state)->family->sharded, &e);
    must(&e);
    const Mat *want = hidden_rows(&vlm, &arena);
    const Dtype types[] = {F32, BF16};
    const int dtypes[] = {DTYPE_FLOAT32, DTYPE_BFLOAT16};
    for (int i = 0; i < 2; i++) {
        clean();
        folder_make(folder, &e);
        save_checkpoint(&vlm, path, dtypes[i], SAVE_SHARD_BYTES, &e);
        vlm_open(&again, path, &e);
        must(&e);
        const Mat *got = hidden_rows(&again, &arena);
        assert_int_equal(again.checkpoint.param[0]->stored, types[i]);
        assert_memory_equal(got->data, want->data, (size_t)(want->rows * want->cols) * sizeof(float));
        vlm_close(&again);
    }
    clean();
    vlm_close(&vlm);
    arena_free(&arena);
}

int main(void)
{
    const FamilyTest trainings[] = {{"losses, gradient norms, weights", check_run}};
    const FamilyTest families[] = {{"saved and loaded", saved_and_loaded}};
    int failed = run_family_tests(EACH_TRAINING, trainings, 1);
    return failed + run_family_tests(EACH_FAMILY, families, 1);
}
