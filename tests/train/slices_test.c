/* A tower that takes some frames at a time gives what it gives of all at once, but for the order of sums; kept or computed
 * again, to the bit. transformer() in src/model/block/transformer.c. */
#include "fixture/model_family.h"
#include "fixture/watched_run.h"

#include "train/estimate.h"

#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>

#include <cmocka.h>

/* A run whose tower takes so many rows at a time, whole frames; 0: all. */
static RunResult run_sliced(TinyRun *r, const TestFamily *f, int64_t slice, int64_t memory,
                            const TrainWatch *watch)
{
    r->options.memory = memory;
    state_remove_all(r->states, &r->error);
    tiny_run_restart(r);
    ((Transformer *)f->vision_layers(&r->vlm))->slice = slice;
    tiny_run_train(r, watch);
    tiny_run_must(r);
    return run_result(r);
}

/* Of the value. Float32 sums in another order: 1.3e-5 at most (InternVL2, by OpenBLAS; by as much the same norm differs between
 * sets of kernels). A mask or an angle of another row: a hundredth and more. */
static const double NEAR = 1e-4;

static void near(const RunResult *a, const RunResult *b, const char *key)
{
    const double x = run_number(a->metrics, key);
    const double y = run_number(b->metrics, key);
    if (!(fabs(x - y) <= NEAR * fabs(x)))
        fail_msg("%s of the first step: %.9g of all frames at once, %.9g of one at a time", key, x, y);
}

/* Two pairs in each pass, a picture each. */
static void as_whole(TinyRun *r, const TestFamily *f)
{
    const int64_t any = INT64_C(1) << 50;
    Watched kept = {0};
    Watched again = {0};
    const TrainWatch watch_kept = watch_of(&kept);
    const TrainWatch watch_again = watch_of(&again);
    r->options.level.micro_batch = 2;
    RunResult whole = run_sliced(r, f, 0, any, NULL);
    RunResult sliced = run_sliced(r, f, 1, any, &watch_kept);
    near(&whole, &sliced, "loss");
    near(&whole, &sliced, "grad_norm");
    const int64_t none = estimate_state(&r->vlm, &r->options.level) + 1;
    RunResult computed_again = run_sliced(r, f, 1, none, &watch_again);
    run_result_same(&sliced, &computed_again);
    assert_true(again.step[0].bytes < kept.step[0].bytes);
    run_result_free(&whole);
    run_result_free(&sliced);
    run_result_free(&computed_again);
}

static void in_full(void **state)
{
    const TestFamily *f = ((const FamilyGolden *)*state)->family;
    TinyRun r;
    tiny_run_make(&r, f->single);
    as_whole(&r, f);
    tiny_run_free(&r);
}

/* Dropout leaves out the same elements. */
static void adapters_of_the_tower(void **state)
{
    const TestFamily *f = ((const FamilyGolden *)*state)->family;
    TinyRun r;
    tiny_run_make(&r, f->single);
    tiny_run_lora(&r);
    r.options.level.lora_target = "fc1 fc2";
    as_whole(&r, f);
    tiny_run_free(&r);
}

/* Nothing is learned of the tower: no tape in it. */
static void tower_frozen(void **state)
{
    const TestFamily *f = ((const FamilyGolden *)*state)->family;
    TinyRun r;
    tiny_run_make(&r, f->single);
    r.options.level.freeze = 1u << PART_VISION;
    as_whole(&r, f);
    tiny_run_free(&r);
}

int main(void)
{
    const FamilyTest tests[] = {{"in full, in slices", in_full},
                                {"adapters of the tower, in slices", adapters_of_the_tower},
                                {"tower frozen, in slices", tower_frozen}};
    return run_family_tests(EACH_FAMILY, tests, sizeof tests / sizeof *tests);
}
