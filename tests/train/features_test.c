/* Features of pictures that frozen parts have seen: the same bits as without them, each made once. src/train/features.c, vlm_features in
 * src/model/batch.c. */
#include "fixture/model_family.h"
#include "fixture/must.h"
#include "fixture/watched_run.h"

#include "base/memory.h"
#include "model/batch.h"
#include "model/family.h"
#include "train/estimate.h"
#include "train/features.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A family whose pictures are counted on their way through the tower. */
static Family counting;
static Mat *(*real_vision)(Run *run, const Vlm *vlm, const Picture *const *pictures, int64_t count);
static int64_t seen;

static Mat *count_pictures(Run *run, const Vlm *vlm, const Picture *const *pictures, int64_t count)
{
    seen += count;
    return real_vision(run, vlm, pictures, count);
}

static void count_from_here(Vlm *vlm)
{
    counting = *vlm->family;
    real_vision = counting.vision;
    counting.vision = count_pictures;
    vlm->family = &counting;
    seen = 0;
}

/* Three epochs over four pairs with a picture each, in passes of so many. How many pictures the tower saw. */
static int64_t train_counted(TinyRun *r, int64_t micro_batch, const TrainWatch *watch, Status wanted)
{
    r->options.level.epochs = 3;
    r->options.level.micro_batch = micro_batch;
    tiny_run_restart(r);
    count_from_here(&r->vlm);
    assert_int_equal(tiny_run_train(r, watch), wanted);
    return seen;
}

static void run_counted(TinyRun *r, int64_t micro_batch)
{
    const int64_t memory = r->options.memory;
    state_remove_all(r->states, &r->error);
    assert_int_equal(train_counted(r, micro_batch, NULL, OK), 4);
    RunResult kept = run_result(r);

    r->options.memory = estimate_state(&r->vlm, &r->options.level) + 1; /* nothing is left to keep */
    state_remove_all(r->states, &r->error);
    assert_int_equal(train_counted(r, micro_batch, NULL, OK), 12);
    RunResult none = run_result(r);
    run_result_same(&kept, &none);
    r->options.memory = memory;

    Watched w = {.stop_after = 1};
    const TrainWatch watch = watch_of(&w);
    state_remove_all(r->states, &r->error);
    assert_int_equal(train_counted(r, micro_batch, &watch, INTERRUPTED), 2);
    assert_int_equal(train_counted(r, micro_batch, NULL, OK), 4); /* two in this epoch, two in the next */
    RunResult resumed = run_result(r);
    run_result_same(&kept, &resumed);

    run_result_free(&kept);
    run_result_free(&none);
    run_result_free(&resumed);
}

/* Adapters of the text model leave the pictures' part as it is. */
static void each_is_made_once(void **state)
{
    TinyRun r;
    tiny_run_make(&r, ((const FamilyGolden *)*state)->family->single);
    tiny_run_lora(&r);
    run_counted(&r, 1);
    run_counted(&r, 2);
    tiny_run_free(&r);
}

/* So does a full training of the rest; but with a merger that learns nothing is kept. */
static void what_is_frozen_decides(void **state)
{
    TinyRun r;
    tiny_run_make(&r, ((const FamilyGolden *)*state)->family->single);
    r.options.level.freeze = 1u << PART_VISION | 1u << PART_MERGER;
    run_counted(&r, 1);
    r.options.level.freeze = 1u << PART_VISION;
    state_remove_all(r.states, &r.error);
    assert_int_equal(train_counted(&r, 1, NULL, OK), 12);
    tiny_run_free(&r);
}

/* Of two pictures what frozen parts make of each alone; as many bytes as are there. */
static void kept_as_there_is_room(void **state)
{
    static const char *const files[] = {"golden/model/odd.png", "golden/model/wide.png"};
    const LevelConfig adapters = {.method = METHOD_LORA, .lora_target = "", .lora_init = "", .epochs = 2};
    Vlm vlm;
    Error e = {0};
    Arena arena;
    Features f;
    Picture p[2];
    vlm_open(&vlm, ((const FamilyGolden *)*state)->family->single, &e);
    for (int i = 0; i < 2; i++)
        vlm_picture(&vlm, p + i, files[i], NULL, &e);
    features_init(&f, 3, &e);
    must(&e);
    arena_init(&arena);
    Run run = {.arena = &arena, .error = &e};
    const int64_t values = (p[0].tokens + p[1].tokens) * vlm.width;
    const int64_t bytes = values * (int64_t)sizeof(float);
    assert_int_equal(estimate_features(&vlm, &adapters, p[0].tokens + p[1].tokens), 0); /* all is trained */

    count_from_here(&vlm);
    assert_int_equal(features_use(&f, &run, &vlm, 1, p, 2, bytes - 1), OK);
    assert_true(seen == 2 && p[0].features && p[1].features && !f.bytes && !f.pair[1]);
    assert_int_equal(features_use(&f, &run, &vlm, 1, p, 2, bytes), OK);
    assert_true(seen == 4 && f.bytes == bytes);
    assert_ptr_equal(p[1].features, p[0].features + p[0].tokens * vlm.width);
    const float *kept = p[0].features;
    p[0].features = p[1].features = NULL;
    assert_int_equal(features_use(&f, &run, &vlm, 1, p, 2, 0), OK); /* known: no room is asked for */
    assert_true(seen == 4 && p[0].features == kept);

    float *again = memory_new(values, sizeof *again, &e);
    vlm_features(&run, &vlm, p, again);
    vlm_features(&run, &vlm, p + 1, again + p[0].tokens * vlm.width);
    must(&e);
    assert_memory_equal(again, kept, (size_t)bytes);
    assert_memory_not_equal(again, p[1].features, (size_t)vlm.width * sizeof *again);
    features_forget(&f);
    assert_true(!f.bytes && !f.pair[1]);

    free(again);
    features_free(&f);
    arena_free(&arena);
    for (int i = 0; i < 2; i++)
        picture_free(p + i);
    vlm_close(&vlm);
}

int main(void)
{
    const FamilyTest tests[] = {{"each is made once", each_is_made_once},
                                {"what is frozen decides", what_is_frozen_decides},
                                {"kept as there is room", kept_as_there_is_room}};
    return run_family_tests(EACH_FAMILY, tests, sizeof tests / sizeof *tests);
}
