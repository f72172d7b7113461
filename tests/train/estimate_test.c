/* The memory that a training pass really takes, as the arena counts it, against the estimate that
 * decides whether blocks are recomputed; and that decision. (memory_test has single layers.) */
#include "fixture/must.h"
#include "fixture/wide_model.h"

#include "model/loss.h"
#include "train/estimate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void give_gradients(Checkpoint *c, Arena *arena, Error *e)
{
    for (int64_t i = 0; i < c->params; i++)
        c->param[i]->grad = arena_zero(arena, c->param[i]->count, sizeof(float), e);
}

static void one_pass(const WideModel *w, const char *what, bool recompute)
{
    Samples samples = {(Sample *)&w->sample, 1, (Picture *)&w->picture, 1};
    Arena arena;
    Error e = {0};
    LossSum sum = {0};
    arena_init(&arena);
    Run run = {.arena = &arena, .error = &e, .recompute = recompute};
    run.tape = tape_new(&run);
    vlm_loss(&run, &w->vlm, &w->sample, 1, 1 / (double)samples_labels(&w->sample, 1), &sum);
    must(&e);
    check_estimate(what, arena.peak, estimate_pass(&w->vlm, pass_size(&samples), recompute), 0.65, 1,
                   "estimate_pass in src/train/estimate.c; if memory_test fails too, that first");
    arena_free(&arena);
}

static void passes(void **state)
{
    WideModel w;
    Arena gradients;
    Error e = {0};
    wide_model_make(&w, ((const FamilyGolden *)*state)->family);
    arena_init(&gradients);
    give_gradients(&w.vlm.checkpoint, &gradients, &e);
    must(&e);
    one_pass(&w, "a pass", false);
    one_pass(&w, "a pass with recomputation", true);
    /* masters and two moments take as much as the gradients each */
    assert_in_range(estimate_state(&w.vlm), gradients.total * 4 * 9 / 10, gradients.total * 4);
    arena_free(&gradients);
    wide_model_free(&w);
}

static void recompute_where_half_the_room_is_too_small(void **state)
{
    (void)state;
    assert_false(estimate_recompute(1000, 0)); /* unknown */
    assert_false(estimate_recompute(500, 1000));
    assert_true(estimate_recompute(501, 1000));
}

int main(void)
{
    const FamilyTest families[] = {{"a training pass's memory", passes}};
    const struct CMUnitTest tests[] = {cmocka_unit_test(recompute_where_half_the_room_is_too_small)};
    int failed = run_family_tests(EACH_FAMILY, families, sizeof families / sizeof *families);
    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
