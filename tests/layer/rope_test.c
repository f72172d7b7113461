/* Rotary positions against transformers, tables and rotation: text with a triple of positions, * vision with
rows and columns, partial rotary and long rope with one position. */
#include "fixture/layer_bench.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

static const char source[] = "src/layer/rope.c";

/* The rule and the positions of a case; `restart`: as in vision. */
static Rope *table(LayerBench *b, int64_t head, int64_t turned, bool restart, const int64_t *section,
                   int64_t sections, const double *factor, double scale, const int32_t *position, int64_t N)
{
    const RotaryRule rule = {.head = head,
                             .turned = turned,
                             .theta = golden_number(&b->g, "theta"),
                             .section = section,
                             .sections = sections,
                             .restart = restart,
                             .factor = factor,
                             .scale = scale};
    return rope_table(&b->run, &rule, position, N);
}

/* Three rows of positions, a section of the frequencies for each. */
static Rope *text_table(LayerBench *b)
{
    const json_t *list = json_object_get(b->g.notes.root, "sections");
    const int64_t E = 2 * (int64_t)golden_number(&b->g, "half");
    int64_t section[3];
    assert_int_equal(json_array_size(list), 3);
    for (size_t i = 0; i < 3; i++)
        section[i] = json_integer_value(json_array_get(list, i));
    return table(b, E, E, false, section, 3, NULL, 1, layer_ints(b, "position"),
                 golden_tensor(&b->g, "position")->dim[1]);
}

/* Row and column of each patch. */
static Rope *vision_table(LayerBench *b)
{
    const int32_t *at = layer_ints(b, "at");
    const int64_t N = golden_tensor(&b->g, "at")->dim[0];
    const int64_t half = (int64_t)golden_number(&b->g, "half");
    const int64_t section[] = {half / 2, half / 2};
    int32_t *position = arena_alloc(&b->arena, 2 * N, sizeof *position, &b->error);
    assert_non_null(position);
    for (int64_t n = 0; n < N; n++) {
        position[n] = at[2 * n];
        position[N + n] = at[2 * n + 1];
    }
    return table(b, 2 * half, 2 * half, true, section, 2, NULL, 1, position, N);
}

/* One row of positions: partial rotary (StableLM), and long rope's factors and scale (Phi-3). */
static Rope *one_position_table(LayerBench *b)
{
    const json_t *list = json_object_get(b->g.notes.root, "factor");
    double factor[20];
    assert_true(json_array_size(list) <= 20);
    for (size_t i = 0; i < json_array_size(list); i++)
        factor[i] = json_number_value(json_array_get(list, i));
    return table(b, (int64_t)golden_number(&b->g, "head"), (int64_t)golden_number(&b->g, "turned"), false,
                 NULL, 0, list ? factor : NULL, golden_number(&b->g, "scale"), layer_ints(b, "position"),
                 golden_tensor(&b->g, "position")->count);
}

static Mat *text_forward(LayerBench *b)
{
    return rope(&b->run, text_table(b), layer_mat(b, "x"));
}

static Mat *vision_forward(LayerBench *b)
{
    return rope(&b->run, vision_table(b), layer_mat(b, "x"));
}

static Mat *one_position_forward(LayerBench *b)
{
    return rope(&b->run, one_position_table(b), layer_mat(b, "x"));
}

static void check_table(const char *golden, Rope *(*make)(LayerBench *b))
{
    LayerBench b = {0};
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
    check_table("layer/rope-partial", one_position_table);
    check_table("layer/rope-long", one_position_table);
}

static void text(void **state)
{
    (void)state;
    check_layer("layer/rope-text-near", text_forward, source);
    check_layer("layer/rope-text-far", text_forward, source);
}

static void vision(void **state)
{
    (void)state;
    check_layer("layer/rope-vision", vision_forward, source);
    check_layer("layer/rope-vision-narrow", vision_forward, source);
}

static void one_position(void **state)
{
    (void)state;
    check_layer("layer/rope-partial", one_position_forward, source);
    check_layer("layer/rope-long", one_position_forward, source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(tables), cmocka_unit_test(text),
                                       cmocka_unit_test(vision), cmocka_unit_test(one_position)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
