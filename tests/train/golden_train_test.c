/* Short fine-tuning runs against float64 PyTorch: learning rates, losses and gradient norms of every
 * step, and the final weights. */
#include "fixture/model_family.h"
#include "fixture/must.h"
#include "fixture/scratch.h"
#include "fixture/training_log.h"

#include "train/lora.h"
#include "train/schedule.h"
#include "train/train.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PAIRS = 8, TURNS = 3, PICTURES = 3 };

/* The keys of a golden that asks for a recipe: what is not asked for is the recipe's. The settings' texts
 * are c's. */
static LevelConfig recipe_of(const json_t *o, Config *c, Scratch *s)
{
    const char *key;
    json_t *value;
    Text text = {0};
    Error e = {0};
    text_add(&text, "[level]\n", &e);
    json_object_foreach((json_t *)(uintptr_t)o, key, value)
    {
        if (json_is_string(value))
            text_format(&text, &e, "%s = %s\n", key, json_string_value(value));
        else
            text_format(&text, &e, "%s = %lld\n", key, (long long)json_integer_value(value));
    }
    config_load(c, scratch_write(s, "recipe.ini", text.data, text.count), NULL, 0, &e);
    must(&e);
    text_free(&text);
    c->level.shuffle = false; /* the golden's order */
    c->level.save_every = 0;
    return c->level;
}

/* The pairs of the notes: one picture and one turn each, or "turns". */
typedef struct {
    Question pair[PAIRS], turn[PAIRS][TURNS];
    const char *image[PAIRS][TURNS][PICTURES], *before[PAIRS][TURNS][PICTURES];
    int64_t count;
} Pairs;

static LevelConfig settings_of(const json_t *o)
{
    const char *schedule = row_string(o, "schedule");
    const bool lora = json_object_get(o, "method") != NULL;
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
        .method = lora ? METHOD_LORA : METHOD_FULL,
        .lora_rank = lora ? row_integer(o, "lora_rank") : 0,
        .lora_alpha = lora ? row_double(o, "lora_alpha") : 0,
        .lora_dropout = lora ? row_double(o, "lora_dropout") : 0,
        .lora_target = lora ? row_string(o, "lora_target") : "",
        .lora_init = "",
    };
}

static Question one_turn(const char **image, const json_t *o)
{
    *image = row_string(o, "picture");
    return (Question){.images = image,
                      .n_images = 1,
                      .text = row_string(o, "question"),
                      .answer = row_string(o, "answer"),
                      .id = "golden"};
}

/* Turn k of a conversation, with the next one behind it. */
static Question turn_of(Pairs *p, size_t i, const json_t *turns, size_t k)
{
    const json_t *o = json_array_get(turns, k);
    const json_t *pictures = json_object_get(o, "pictures");
    assert_true(k < TURNS && json_array_size(pictures) <= PICTURES);
    for (size_t n = 0; n < json_array_size(pictures); n++) {
        p->image[i][k][n] = json_string_value(json_array_get(pictures, n));
        p->before[i][k][n] = json_string_value(json_array_get(json_object_get(o, "before"), n));
        assert_true(p->image[i][k][n] && p->before[i][k][n]);
    }
    return (Question){.images = p->image[i][k],
                      .n_images = (int64_t)json_array_size(pictures),
                      .before = p->before[i][k],
                      .text = row_string(o, "text"),
                      .answer = row_string(o, "answer"),
                      .next = k + 1 < json_array_size(turns) ? &p->turn[i][k + 1] : NULL,
                      .id = "golden"};
}

static void read_pairs(Pairs *p, const Golden *g)
{
    size_t i;
    json_t *o;
    p->count = 0;
    json_array_foreach(json_object_get(g->notes.root, "pairs"), i, o)
    {
        const json_t *turns = json_object_get(o, "turns");
        assert_true(i < PAIRS);
        for (size_t k = 0; k < json_array_size(turns); k++)
            p->turn[i][k] = turn_of(p, i, turns, k);
        p->pair[i] = turns ? p->turn[i][0] : one_turn(&p->image[i][0][0], o);
        p->count++;
    }
}

static bool check_values(Golden *g, const Param *p)
{
    return trained_weight(g, p->name, p->master, p->count);
}

/* All that was trained, and nothing else, is in the golden. */
static bool check_weights(Golden *g, const Vlm *vlm)
{
    const Adapter *a = &vlm->adapter;
    bool good = true;
    assert_int_equal(g->tensors.count, a->count ? 2 * a->count : vlm->checkpoint.params);
    for (int64_t i = 0; i < a->count; i++) {
        good &= check_values(g, &a->lora[i]->a);
        good &= check_values(g, &a->lora[i]->b);
    }
    for (int64_t i = 0; i < vlm->checkpoint.params && !a->count; i++)
        good &= check_values(g, vlm->checkpoint.param[i]);
    return good;
}

static void check_run(void **state)
{
    Golden g;
    Vlm vlm;
    Error e = {0};
    Pairs pairs;
    Scratch scratch;
    char metrics[400], timings[400], states[400];
    scratch_make(&scratch);
    snprintf(metrics, sizeof metrics, "%s/metrics.jsonl", scratch.folder);
    snprintf(timings, sizeof timings, "%s/timings.jsonl", scratch.folder);
    snprintf(states, sizeof states, "%s/state", scratch.folder);
    const TrainFiles files = {
        .state_folder = states, .metrics_path = metrics, .timings_path = timings, .fingerprint = "golden"};
    golden_open(&g, ((const FamilyGolden *)*state)->golden);
    vlm_open(&vlm, golden_string(&g, "checkpoint"), &e);
    must(&e);
    read_pairs(&pairs, &g);
    const json_t *settings = json_object_get(g.notes.root, "settings");
    const bool recipe = json_object_get(settings, "recipe") != NULL;
    Config config = {0};
    TrainOptions options = {.level = recipe ? recipe_of(settings, &config, &scratch) : settings_of(settings)};
    options.seed = (uint64_t)json_integer_value(json_object_get(settings, "seed"));
    lora_start(&vlm, &options.level, options.seed, &e);
    must(&e);
    assert_int_equal(schedule_steps(&options.level, pairs.count),
                     json_array_size(json_object_get(g.notes.root, "log")));
    train(&vlm, pairs.pair, pairs.count, &options, &files, NULL, &e);
    must(&e);
    bool log = training_log(&g, metrics);
    bool kept = json_object_size(json_object_get(g.notes.root, "error")) > 0;
    bool weights = !kept || check_weights(&g, &vlm);
    vlm_close(&vlm);
    config_free(&config);
    scratch_remove(&scratch);
    if (kept)
        golden_close(&g);
    else
        golden_drop(&g);
    if (!log)
        fail_msg("losses, gradient norms or learning rates are off; read src/train");
    if (!weights)
        fail_msg("final weights are off; read src/train");
}

int main(void)
{
    const FamilyTest tests[] = {{"losses, gradient norms, weights", check_run}};
    return run_family_tests(EACH_TRAINING, tests, 1);
}
