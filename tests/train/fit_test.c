/* level.recipe = auto: what is chosen for how many pairs. src/train/fit.c. */
#include "fixture/scratch.h"

#include "train/fit.h"
#include "train/schedule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

typedef struct {
    Scratch s;
    Config c;
    Text said;
    Error e;
} World;

static void make(World *w, const char *lines)
{
    *w = (World){0};
    scratch_make(&w->s);
    scratch_write(&w->s, "c.ini", lines, strlen(lines));
    if (config_load(&w->c, scratch_path(&w->s, "c.ini"), NULL, 0, &w->e) != OK)
        fail_msg("%s", w->e.text);
}

static void clean(World *w)
{
    config_free(&w->c);
    text_free(&w->said);
    scratch_remove(&w->s);
}

static const LevelConfig *fit(World *w, int64_t pairs)
{
    text_clear(&w->said);
    assert_int_equal(fit_level(&w->c, pairs, &w->said, &w->e), OK);
    return &w->c.level;
}

/* The table of src/MODEL.md. */
static void test_table(void **state)
{
    (void)state;
    static const struct {
        int64_t pairs, batch, epochs, steps;
        const char *said;
    } rows[] = {
        {20, 4, 20, 100, "auto: 20 pairs: batch 4, 20 epochs, 100 updates, warm-up 3 steps"},
        {50, 4, 20, 260, "warm-up 7 steps"},
        {100, 4, 20, 500, "warm-up 15 steps"},
        {300, 4, 7, 525, "warm-up 15 steps"},
        {700, 8, 3, 261, "warm-up 7 steps"},
        {1000, 16, 3, 186, "warm-up 5 steps"},
        {1500, 64, 2, 46, "warm-up 1 step: a small set"},
        {2048, 128, 1, 16, "1 epoch, 16 updates, warm-up 1 step: the settings of 2025-10"},
        {9009, 128, 1, 70, "warm-up 3 steps: the settings of 2025-10"},
    };
    World w;
    make(&w, "");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const LevelConfig *l = fit(&w, rows[i].pairs);
        const int64_t steps = schedule_steps(l, rows[i].pairs);
        if (l->batch != rows[i].batch || l->epochs != rows[i].epochs || steps != rows[i].steps ||
            !strstr(text_string(&w.said), rows[i].said))
            fail_msg("%lld pairs: batch %lld, epochs %lld, %lld steps: \"%s\"; read src/train/fit.c",
                     (long long)rows[i].pairs, (long long)l->batch, (long long)l->epochs, (long long)steps,
                     text_string(&w.said));
    }
    clean(&w);
}

/* Whatever the number of pairs, there are updates to learn from. */
static void test_always_teaches(void **state)
{
    (void)state;
    World w;
    make(&w, "");
    for (int64_t pairs = 1; pairs < 3000; pairs += 1 + pairs / 50) {
        const LevelConfig *l = fit(&w, pairs);
        if (fit_updates(l, pairs) < FIT_LEAST_UPDATES || l->batch % l->micro_batch || l->batch > 128)
            fail_msg("%lld pairs: %s", (long long)pairs, text_string(&w.said));
    }
    clean(&w);
}

/* From the published size on, the numbers are those of the preset. */
static void test_published_size(void **state)
{
    (void)state;
    World fitted;
    World q;
    make(&fitted, "");
    make(&q, "[level]\nrecipe = 2025-10\n");
    const LevelConfig *l = &q.c.level;
    fit(&q, 2048);
    assert_int_equal(q.said.count, 0);
    for (int64_t pairs = 2048; pairs < 60000; pairs = pairs * 3 / 2) {
        const LevelConfig *f = fit(&fitted, pairs);
        const int64_t steps = schedule_steps(l, pairs);
        assert_true(f->batch == l->batch && f->epochs == l->epochs && schedule_steps(f, pairs) == steps);
        for (int64_t s = 0; s < steps; s++)
            assert_true(!(schedule_factor(f, s, steps) < schedule_factor(l, s, steps)) &&
                        !(schedule_factor(f, s, steps) > schedule_factor(l, s, steps)));
    }
    assert_int_equal(fit_updates(l, 100), 0); /* why there is auto: one step, at rate 0 */
    clean(&fitted);
    clean(&q);
}

/* What the user sets stays, and what is fitted follows from it. */
static void test_set_keys_win(void **state)
{
    (void)state;
    World w;
    make(&w, "[level]\nbatch = 32\nmicro_batch = 32\n");
    assert_true(fit(&w, 100)->batch == 32 && w.c.level.epochs == 20);
    assert_int_equal(fit_updates(&w.c.level, 100), 79);
    clean(&w);
    make(&w, "[level]\nepochs = 3\nwarmup_ratio = 0.5\nmicro_batch = 6\n");
    assert_true(fit(&w, 100)->epochs == 3 && w.c.level.batch == 6);
    assert_int_equal(schedule_steps(&w.c.level, 100), 51);
    assert_int_equal(fit_updates(&w.c.level, 100), 50);
    clean(&w);
    make(&w, "[level]\nbatch = 4\nepochs = 3\nwarmup_ratio = 0\nlearning_rate = 0\nfreeze = vision merger\n");
    fit(&w, 100);
    assert_int_equal(w.said.count, 0);
    assert_int_equal(fit_updates(&w.c.level, 100), 0);
    clean(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_table), cmocka_unit_test(test_always_teaches),
                                       cmocka_unit_test(test_published_size),
                                       cmocka_unit_test(test_set_keys_win)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
