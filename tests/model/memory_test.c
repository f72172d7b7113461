/* The memory that a layer and a prompt really take, as the arena counts it, against the estimates
 * that decide batches and that a user is told (training's own: tests/train/estimate_test.c). By the
 * plain kernels. What threads take of their own is counted too: it must not matter on how many
 * processors the test runs. */
#include "fixture/must.h"
#include "fixture/wide_model.h"

#include "base/parallel.h"
#include "base/random.h"
#include "generate/generate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { NEW_TOKENS = 16 };

/* A layer that keeps everything for its backward pass. Many threads take much of their own, but not where a layer takes most. */
static void one_layer(const char *what, const Transformer *t, int threads, double low)
{
    enum { ROWS = 1600 };
    static const int64_t start[] = {0, ROWS};
    Arena arena;
    Error e = {0};
    parallel_set_threads(threads);
    arena_init(&arena);
    Run run = {.arena = &arena, .error = &e};
    run.tape = tape_new(&run);
    Mat *x = mat_new(&run, ROWS, t->shape.width);
    must(&e);
    for (int64_t i = 0; i < x->rows * x->cols; i++)
        x->data[i] = (float)random_unit(0, 3, (uint64_t)i);
    size_t before = arena.total;
    const Rows rows = {NULL, {1, start}, NULL};
    assert_non_null(transformer_layer(&run, t, 0, &rows, x));
    const RowBytes one = transformer_row_bytes(&t->shape, 1);
    const int64_t estimate = ROWS * one.forward + rows_scratch(&one, ROWS, ROWS, false);
    check_estimate(what, arena.peak - before, estimate, low, 1.1,
                   "transformer_row_bytes in src/model/block/transformer.c");
    arena_free(&arena);
}

static void layers(void **state)
{
    const TestFamily *f = ((const FamilyGolden *)*state)->family;
    WideModel w;
    wide_model_make(&w, f);
    const Transformer *decoder = &f->decoder(&w.vlm)->layers;
    const Transformer *vision = f->vision_layers(&w.vlm);
    one_layer("a decoder layer", decoder, 1, 0.9);
    one_layer("a vision layer", vision, 1, 0.9);
    one_layer("a decoder layer by 32 threads", decoder, 32, 0.7);
    one_layer("a vision layer by 32 threads", vision, 32, 0.7);
    parallel_set_threads(0);
    assert_int_equal(w.vlm.kv_width, decoder->shape.kv_heads * decoder->shape.head_width);
    assert_int_equal(w.vlm.picture_row.input,
                     w.picture.rows / w.picture.tokens * vision->shape.width * (int64_t)sizeof(float));
    wide_model_free(&w);
}

static void prompt(void **state)
{
    WideModel w;
    Arena arena;
    Error e = {0};
    wide_model_make(&w, ((const FamilyGolden *)*state)->family);
    arena_init(&arena);
    Run run = {.arena = &arena, .error = &e};
    const int64_t capacity = w.sample.count + NEW_TOKENS;
    const int64_t last = w.sample.count - 1;
    KvCache *cache = kv_cache_new(&run, w.vlm.layers, w.vlm.kv_width, &capacity, 1);
    Mat *hidden = vlm_forward(&run, &w.vlm, batch_pack(&run, &w.sample, 1), cache);
    vlm_logits(&run, &w.vlm, gather_rows(&run, hidden, &last, 1));
    must(&e);
    check_estimate("a prompt", arena.peak, generate_bytes(&w.vlm, 1, w.sample.count, NEW_TOKENS), 0.25, 1,
                   "generate_bytes in src/generate/generate.c");
    arena_free(&arena);
    wide_model_free(&w);
}

int main(void)
{
    const FamilyTest tests[] = {{"a layer's memory", layers}, {"a prompt's memory", prompt}};
    return run_family_tests(EACH_FAMILY, tests, sizeof tests / sizeof *tests);
}
