/* The estimates of training's memory against what a pass really takes, as its arena counts it; and
 * the decision to recompute at its border. */
#include "fixture/must.h"
#include "fixture/tiny_run.h"
#include "fixture/wide_model.h"

#include "base/parallel.h"
#include "model/loss.h"
#include "train/adamw.h"
#include "train/estimate.h"
#include "train/features.h"
#include "train/lora.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const char read[] = "src/train/estimate.c, transformer_row_bytes in src/model/block/transformer.c";

static void give_gradients(Optimiser *a, const Vlm *vlm, const LevelConfig *o)
{
    Error e = {0};
    optimiser_init(a, vlm, o, &e);
    must(&e);
}

static const LevelConfig everything = {.learning_rate = 1};

/* Between `low` and all of the estimate? */
static void check_pass(const char *what, const Vlm *vlm, const LevelConfig *o, const Samples *s,
                       bool recompute, double low)
{
    char text[200];
    Arena arena;
    Error e = {0};
    LossSum sum = {0};
    arena_init(&arena);
    Run run = {.arena = &arena, .error = &e, .recompute = recompute};
    if (estimate_frozen(vlm, o)) {
        Features none = {.pair = (float *[]){NULL}, .count = 1};
        features_use(&none, &run, vlm, 0, s->picture, s->pictures, 0);
    }
    run.tape = tape_new(&run);
    vlm_loss(&run, vlm, s->sample, s->count, 0.01, &sum);
    must(&e);
    snprintf(text, sizeof text, "%s, %lld pictures, %s, %d threads", what, (long long)s->pictures,
             recompute ? "recomputed" : "kept", parallel_threads());
    check_estimate(text, arena.peak, estimate_pass(vlm, pass_size(vlm, o, s), recompute), low, 1, read);
    arena_free(&arena);
}

/* Questions with long texts: what a pass takes is then mostly what its rows take. */
static void load(Samples *s, TinyRun *r, int64_t images)
{
    enum { LONG = 1500 };
    static char text[LONG + 1];
    for (int i = 0; i < LONG; i++)
        text[i] = (char)(i % 6 == 5 ? ' ' : 'a' + i % 7);
    for (int i = 0; i < 2; i++) {
        r->pair[i].text = text;
        r->pair[i].n_images = images;
    }
    r->vlm.max_positions = INT32_MAX; /* memory is measured, not what the model was made for */
    samples_load(s, &r->vlm, r->pair, 2, NULL, NULL, &r->error);
    tiny_run_must(r);
}

/* What does not grow with the rows, each thread's own memory, counts for much in models as small
 * as these. */
static void tiny_passes(const char *checkpoint)
{
    TinyRun r;
    Optimiser a;
    tiny_run_make(&r, checkpoint);
    give_gradients(&a, &r.vlm, &everything);
    for (int images = 0; images <= 1; images++) {
        Samples s;
        load(&s, &r, images);
        for (int threads = 1; threads <= 4; threads += 3) {
            parallel_set_threads(threads);
            check_pass(checkpoint, &r.vlm, &everything, &s, false, 0.75);
            check_pass(checkpoint, &r.vlm, &everything, &s, true, 0.75);
        }
        samples_free(&s);
    }
    parallel_set_threads(0);
    optimiser_free(&a);
    tiny_run_free(&r);
}

static void tiny(void **state)
{
    const TestFamily *f = ((const FamilyGolden *)*state)->family;
    tiny_passes(f->sharded);
    tiny_passes(f->single);
}

static void wide(void **state)
{
    const TestFamily *f = ((const FamilyGolden *)*state)->family;
    WideModel w;
    Optimiser a;
    wide_model_make(&w, f);
    give_gradients(&a, &w.vlm, &everything);
    const Samples s = {&w.sample, 1, &w.picture, 1};
    parallel_set_threads(2);
    check_pass(f->name, &w.vlm, &everything, &s, false, 0.9);
    check_pass(f->name, &w.vlm, &everything, &s, true, 0.8);
    parallel_set_threads(32); /* which take much of their own, but not where a pass takes most */
    if (parallel_threads() == 32) {
        check_pass(f->name, &w.vlm, &everything, &s, false, 0.7);
        check_pass(f->name, &w.vlm, &everything, &s, true, 0.6);
    }
    parallel_set_threads(0);
    optimiser_free(&a);
    wide_model_free(&w);
}

/* A frozen tower keeps nothing; adapters keep little. */
static void wide_in_part(void **state)
{
    const TestFamily *f = ((const FamilyGolden *)*state)->family;
    const LevelConfig rows[] = {
        {.learning_rate = 1, .freeze = 1u << PART_VISION},
        {.learning_rate = 1, .freeze = 1u << PART_VISION | 1u << PART_MERGER},
        {.learning_rate = 1, .method = METHOD_LORA, .lora_target = "", .lora_init = ""}};
    static const char *const names[] = {"tower frozen", "tower and merger frozen", "adapters"};
    parallel_set_threads(2);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        WideModel w;
        Optimiser a;
        Error e = {0};
        wide_model_make(&w, f);
        lora_start(&w.vlm, rows + i, 0, &e);
        must(&e);
        give_gradients(&a, &w.vlm, rows + i);
        const Samples s = {&w.sample, 1, &w.picture, 1};
        check_pass(names[i], &w.vlm, rows + i, &s, false, 0.9);
        check_pass(names[i], &w.vlm, rows + i, &s, true, 0.8);
        optimiser_free(&a);
        wide_model_free(&w);
    }
    parallel_set_threads(0);
}

/* A tower that takes one frame at a time. */
static void wide_in_slices(void **state)
{
    enum { PICTURES = 2 };
    static const struct {
        const char *name;
        LevelConfig level;
        bool recompute;
        double low;
    } rows[] = {{"in slices", {.learning_rate = 1}, false, 0.9},
                {"in slices", {.learning_rate = 1}, true, 0.8},
                {"in slices, tower frozen", {.learning_rate = 1, .freeze = 1u << PART_VISION}, true, 0.8}};
    const TestFamily *f = ((const FamilyGolden *)*state)->family;
    parallel_set_threads(2);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        WideModel w;
        Optimiser a;
        Sample sample[PICTURES];
        Picture picture[PICTURES];
        wide_model_make(&w, f);
        w.vlm.picture_row.slice = 1;
        ((Transformer *)f->vision_layers(&w.vlm))->slice = 1;
        for (int k = 0; k < PICTURES; k++) {
            picture[k] = w.picture;
            sample[k] = w.sample;
            sample[k].pictures = picture + k;
        }
        give_gradients(&a, &w.vlm, &rows[i].level);
        const Samples s = {sample, PICTURES, picture, PICTURES};
        check_pass(rows[i].name, &w.vlm, &rows[i].level, &s, rows[i].recompute, rows[i].low);
        optimiser_free(&a);
        wide_model_free(&w);
    }
    parallel_set_threads(0);
}

/* Values of what belongs to one of the parts. */
static int64_t values_in(const Vlm *vlm, unsigned parts)
{
    int64_t count = 0;
    for (int64_t i = 0; i < vlm->checkpoint.params; i++) {
        const Param *p = vlm->checkpoint.param[i];
        count += !p->unused && parts & 1u << p->part ? p->count : 0;
    }
    return count;
}

/* Their bytes in the files. */
static int64_t stored_in(const Vlm *vlm, unsigned parts)
{
    int64_t bytes = 0;
    for (int64_t i = 0; i < vlm->checkpoint.params; i++) {
        const Param *p = vlm->checkpoint.param[i];
        bytes += !p->unused && parts & 1u << p->part ? p->count * (int64_t)dtype_size(p->stored) : 0;
    }
    return bytes;
}

/* Master, gradient and two moments of every parameter that is trained, and of no other; what is not trained is
 * read from its map. */
static void the_state(void **state)
{
    TinyRun r;
    int64_t count;
    tiny_run_make(&r, ((const FamilyGolden *)*state)->family->single);
    for (unsigned frozen = 0; frozen < 8; frozen++) {
        const LevelConfig o = {.freeze = frozen};
        assert_int_equal(estimate_state(&r.vlm, &o), 16 * values_in(&r.vlm, ~frozen));
        assert_int_equal(estimate_mapped(&r.vlm, &o), stored_in(&r.vlm, frozen));
    }
    tiny_run_lora(&r);
    tiny_run_restart(&r);
    float *values = tiny_run_values(&r, &count);
    assert_int_equal(estimate_state(&r.vlm, &r.options.level), 16 * count);
    assert_true(count > 0 && count < values_in(&r.vlm, ~0u) / 2);
    assert_int_equal(estimate_mapped(&r.vlm, &r.options.level), stored_in(&r.vlm, ~0u));
    free(values);
    tiny_run_free(&r);
}

/* The frames of a picture do not see each other. */
static void size_of_a_pass(void **state)
{
    (void)state;
    Picture picture[2] = {{.tokens = 4, .grid = {5, 6, 7}}, {.tokens = 3, .grid = {1, 2, 2}}};
    Sample sample[2] = {{.count = 30}, {.count = 20}};
    const Samples samples = {sample, 2, picture, 2};
    Vlm none = {0};
    PassSize size = pass_size(&none, &everything, &samples);
    assert_true(size.rows == 50 && size.picture_tokens == 7 && size.longest == 30);
    sample[1].count = 50;
    assert_int_equal(pass_size(&none, &everything, &samples).longest, 50);
}

static void when_to_recompute(void **state)
{
    (void)state;
    assert_false(estimate_recompute(0, 100, 0));
    assert_false(estimate_recompute(50, 100, 0));
    assert_true(estimate_recompute(51, 100, 0));
    assert_true(estimate_recompute(1, 1, 0));
    assert_false(estimate_recompute(20, 100, 60));
    assert_true(estimate_recompute(21, 100, 60));
    assert_true(estimate_recompute(1, 100, 200));      /* nothing is left */
    assert_false(estimate_recompute(INT64_MAX, 0, 0)); /* not known how much there is */
}

/* The wide models come last: they take long under a sanitizer, and only their memory is looked at. */
int main(void)
{
    const FamilyTest families[] = {{"a pass of a tiny model", tiny},
                                   {"the optimiser's state", the_state},
                                   {"a pass of a wide model", wide},
                                   {"a pass of a wide model that is trained in part", wide_in_part},
                                   {"a pass of a wide model in slices", wide_in_slices}};
#ifdef MPA_SANITIZED
    enum { TESTS = 2 };
#else
    enum { TESTS = 5 };
#endif
    const struct CMUnitTest tests[] = {cmocka_unit_test(size_of_a_pass), cmocka_unit_test(when_to_recompute)};
    int failed = run_family_tests(EACH_FAMILY, families, TESTS);
    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
