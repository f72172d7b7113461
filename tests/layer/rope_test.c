/* Rotary positions, text (sections of a triple) and vision (rows and columns), tables and
 * rotation, against transformers. */
#include "fixture/layer_bench.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

static const char source[] = "src/layer/rope.c";

static Rope *text_table(Bench *b)
{
    json_t *list = json_object_get(b->g.notes.root, "sections");
    int64_t sections[3];
    assert_int_equal(json_array_size(list), 3);
    for (size_t i = 0; i < 3; i++)
        sections[i] = json_integer_value(json_array_get(list, i));
    return rope_text(&b->run, bench_ints(b, "position"), golden_tensor(&b->g, "position")->dim[1],
                     (int64_t)golden_number(&b->g, "half"), golden_number(&b->g, "theta"), sections, 3);
}

static Rope *vision_table(Bench *b)
{
    const int32_t *at = bench_ints(b, "at");
    int64_t N = golden_tensor(&b->g, "at")->dim[0];
    int32_t *y = arena_alloc(&b->arena, N, sizeof *y, &b->error),
            *x = arena_alloc(&b->arena, N, sizeof *x, &b->error);
    assert_true(y && x);
    for (int64_t n = 0; n < N; n++) {
        y[n] = at[2 * n];
        x[n] = at[2 * n + 1];
    }
    return rope_vision(&b->run, y, x, N, (int64_t)golden_number(&b->g, "half"),
                       golden_number(&b->g, "theta"));
}

static Mat *text_forward(Bench *b)
{
    return rope(&b->run, text_table(b), bench_mat(b, "x"));
}

static Mat *vision_forward(Bench *b)
{
    return rope(&b->run, vision_table(b), bench_mat(b, "x"));
}

static void check_table(const char *golden, Rope *(*make)(Bench *b))
{
    Bench b = {0};
    golden_open(&b.g, golden);
    arena_init(&b.arena);
    b.run = (Run){.arena = &b.arena, .error = &b.error};
    const Rope *r = make(&b);
    assert_non_null(r);
    int64_t count = golden_tensor(&b.g, "cos")->count;
    bool good = golden_close_to(&b.g, "cos", r->cos, count, golden_pass_limit, source);
    good &= golden_close_to(&b.g, "sin", r->sin, count, golden_pass_limit, source);
    arena_free(&b.arena);
    golden_close(&b.g);
    assert_true(good);
}

static void tables(void **state)
{
    (void)state;
    check_table("layer/rope-text-near", text_table);
    check_table("layer/rope-text-far", text_table);
    check_table("layer/rope-vision", vision_table);
    check_table("layer/rope-vision-narrow", vision_table);
}

static void text(void **state)
{
    (void)state;
    bench_layer("layer/rope-text-near", text_forward, source);
    bench_layer("layer/rope-text-far", text_forward, source);
}

static void vision(void **state)
{
    (void)state;
    bench_layer("layer/rope-vision", vision_forward, source);
    bench_layer("layer/rope-vision-narrow", vision_forward, source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(tables), cmocka_unit_test(text),
                                       cmocka_unit_test(vision)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
