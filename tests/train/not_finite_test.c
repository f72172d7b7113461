/* Training that cannot go on: numbers that are not finite, pairs that cannot be loaded, nothing to train. No
 * update is made, and the message says where it is. */
#include "fixture/model_folder.h"
#include "fixture/tiny_run.h"

#include "base/file.h"
#include "base/folder.h"

#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char qwen2vl[] = "weights/tiny-qwen2vl-a";

static Param *trainable(TinyRun *r, const char *name)
{
    const Checkpoint *c = &r->vlm.checkpoint;
    for (int64_t i = 0; i < c->params; i++)
        if (!strcmp(c->param[i]->name, name)) {
            checkpoint_make_trainable(c->param[i], &r->error);
            tiny_run_must(r);
            return c->param[i];
        }
    fail_msg("%s has no %s", r->checkpoint, name);
    return NULL;
}

/* Fails in step 1, with no update and no line; the message has `text`. */
static void assert_not_finite(TinyRun *r, const char *text)
{
    const Checkpoint *c = &r->vlm.checkpoint;
    int64_t count;
    for (int64_t i = 0; i < c->params; i++)
        checkpoint_make_trainable(c->param[i], &r->error);
    float *before = tiny_run_values(r, &count);
    assert_int_equal(tiny_run_train(r, NULL), NOT_FINITE);
    assert_non_null(strstr(r->error.text, "training step 1:"));
    assert_non_null(strstr(r->error.text, "pairs of the step: first second."));
    if (!strstr(r->error.text, text))
        fail_msg("wanted \"%s\" in: %s", text, r->error.text);
    char *metrics = tiny_run_read(r->metrics);
    assert_string_equal(metrics, "");
    float *after = tiny_run_values(r, &count);
    assert_memory_equal(before, after, (size_t)count * sizeof *before);
    free(metrics);
    free(before);
    free(after);
}

/* A weight that is no number, at three depths: so are loss and gradients everywhere, but it is named. */
static void weight_not_finite_is_named(void **state)
{
    (void)state;
    static const char *const names[] = {"visual.patch_embed.proj.weight", "model.layers.1.mlp.up_proj.weight",
                                        "model.norm.weight"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        TinyRun r;
        char wanted[200];
        tiny_run_make(&r, qwen2vl);
        Param *p = trainable(&r, names[i]);
        p->master[p->count - 1] = NAN;
        snprintf(wanted, sizeof wanted, "first weight that is not finite: %s;", names[i]);
        assert_not_finite(&r, wanted);
        tiny_run_free(&r);
    }
}

/* Pixels beyond float32, as a preprocessor's settings can make them: the pair and its picture are named, not the
 * pair before it, which has none. */
static void pixel_not_finite_is_named(void **state)
{
    (void)state;
    static const char *const models[] = {"weights/tiny-qwen2vl-a", "weights/tiny-smolvlm-a"};
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        static const char file[] = "preprocessor_config.json";
        TinyRun r;
        char folder[MODEL_FOLDER];
        char wanted[300];
        model_folder_make(folder, models[i]);
        model_folder_change(folder, models[i], file, "rescale_factor", "1e9");
        model_folder_change(folder, folder, file, "image_std", "[1e-37, 1e-37, 1e-37]");
        tiny_run_make(&r, folder);
        r.pair[0].n_images = 0;
        snprintf(wanted, sizeof wanted, "of pair second, whose picture %s is not finite in patch 0;",
                 *r.pair[1].images);
        assert_not_finite(&r, wanted);
        tiny_run_free(&r);
        folder_remove(folder, &r.error);
    }
}

static void fill(Param *p, float value)
{
    for (int64_t i = 0; i < p->count; i++)
        p->master[i] = value;
}

/* A finite loss whose gradient overflows, at three depths: a second product has huge weights, and what is
 * multiplied by them is 0, so that only its gradient is large. */
static void gradient_not_finite(void **state)
{
    (void)state;
    static const struct {
        const char *huge, *zero, *bias; /* bias: NULL where there is none */
        const char *found;
    } rows[] = {{"visual.blocks.0.mlp.fc2.weight", "visual.blocks.0.mlp.fc1.weight",
                 "visual.blocks.0.mlp.fc1.bias", "visual.blocks.0.mlp.fc1."},
                {"visual.merger.mlp.2.weight", "visual.merger.mlp.0.weight", "visual.merger.mlp.0.bias",
                 "visual.merger.mlp.0."},
                {"model.layers.1.mlp.down_proj.weight", "model.layers.1.mlp.gate_proj.weight", NULL,
                 "model.layers.1.mlp."}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        TinyRun r;
        char wanted[200];
        tiny_run_make(&r, qwen2vl);
        fill(trainable(&r, rows[i].zero), 0);
        if (rows[i].bias)
            fill(trainable(&r, rows[i].bias), 0);
        fill(trainable(&r, rows[i].huge), 3e38f);
        snprintf(wanted, sizeof wanted, "first gradient that is not finite, in backward: %s", rows[i].found);
        assert_not_finite(&r, wanted);
        assert_null(strstr(r.error.text, "loss nan"));
        assert_null(strstr(r.error.text, "loss inf"));
        tiny_run_free(&r);
    }
}

/* A message holds as many of a step's pairs as fit, each cut to its first characters. */
static void many_pairs_in_a_message(void **state)
{
    (void)state;
    enum { MANY = 40 };
    static const char id[] = "an-id-of-more-than-twenty-characters";
    TinyRun r;
    Question pair[MANY];
    tiny_run_make(&r, qwen2vl);
    for (int i = 0; i < MANY; i++) {
        pair[i] = r.pair[0];
        pair[i].id = id;
    }
    r.options.level.batch = MANY;
    trainable(&r, "model.norm.weight")->master[0] = NAN;
    train(&r.vlm, pair, MANY, &r.options, &r.files, NULL, &r.error);
    assert_int_equal(r.error.status, NOT_FINITE);
    int named = 0;
    for (const char *at = r.error.text; (at = strstr(at, "an-id-of-more-than-t")); at++)
        named++;
    assert_true(named > 5 && named < MANY);
    assert_null(strstr(r.error.text, "than-tw"));
    assert_non_null(strstr(r.error.text, "than-t. No update was made; lower level.learning_rate"));
    tiny_run_free(&r);
}

/* A pair that cannot be loaded is named. */
static void bad_pair_is_named(void **state)
{
    (void)state;
    TinyRun r;
    const char *missing = "golden/model/none.png";
    tiny_run_make(&r, qwen2vl);
    r.pair[2].images = &missing;
    assert_int_equal(tiny_run_train(&r, NULL), BAD_INPUT);
    assert_non_null(strstr(r.error.text, "pair third: golden/model/none.png"));
    tiny_run_free(&r);
}

static void nothing_to_train(void **state)
{
    (void)state;
    TinyRun r;
    tiny_run_make(&r, qwen2vl);
    r.options.level.freeze = 7;
    assert_int_equal(tiny_run_train(&r, NULL), BAD_USAGE);
    assert_false(file_exists(r.metrics));
    tiny_run_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weight_not_finite_is_named), cmocka_unit_test(pixel_not_finite_is_named),
        cmocka_unit_test(gradient_not_finite),        cmocka_unit_test(many_pairs_in_a_message),
        cmocka_unit_test(bad_pair_is_named),          cmocka_unit_test(nothing_to_train)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
