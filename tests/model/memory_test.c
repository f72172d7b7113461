/* The memory that a layer and a prompt really take, as the arena counts it, against the estimates
 * that decide batches and that a user is told (training's own: tests/train/estimate_test.c). The estimates count what a
 * layer keeps, not the scratch of the matrix product, which differs between kernel sets: so the
 * plain set, which has least of it, is the judge. */
#include "fixture/scratch.h"

#include "base/random.h"
#include "generate/generate.h"
#include "model/family/qwen2vl/qwen2vl.h"
#include "model/family/smolvlm/smolvlm.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { TEXT = 300, NEW_TOKENS = 16 };

/* Models wide and deep enough that what is outside of the layers counts for little. */
static char qwen2vl[] =
    "{\"model_type\": \"qwen2_vl\", \"vocab_size\": 1000, \"hidden_size\": 192, \"intermediate_size\": 512,"
    " \"num_hidden_layers\": 10, \"num_attention_heads\": 6, \"num_key_value_heads\": 2,"
    " \"image_token_id\": 7, \"vision_start_token_id\": 8, \"vision_end_token_id\": 9,"
    " \"rope_scaling\": {\"type\": \"mrope\", \"mrope_section\": [4, 6, 6]},"
    " \"vision_config\": {\"depth\": 8, \"embed_dim\": 160, \"num_heads\": 5, \"hidden_size\": 192}}";
static char smolvlm[] =
    "{\"model_type\": \"idefics3\", \"image_token_id\": 7, \"scale_factor\": 2,"
    " \"text_config\": {\"vocab_size\": 1000, \"hidden_size\": 192, \"intermediate_size\": 512,"
    " \"num_hidden_layers\": 10, \"num_attention_heads\": 6},"
    " \"vision_config\": {\"hidden_size\": 160, \"intermediate_size\": 448, \"num_hidden_layers\": 8,"
    " \"num_attention_heads\": 5, \"image_size\": 104, \"patch_size\": 13}}";
static char tiles[] = "{\"size\": {\"longest_edge\": 208}, \"max_image_size\": {\"longest_edge\": 104}}";

static void must(const Error *e)
{
    if (e->status != OK)
        fail_msg("%s", e->text);
}

/* Ids of one picture and much text. Freed by sample_free. */
static Sample make_sample(const Vlm *vlm, const Picture *p, Error *e)
{
    Sample s = {.count = p->tokens + TEXT, .pictures = p, .n_pictures = 1};
    s.ids = memory_new(s.count, sizeof *s.ids, e);
    s.position = memory_new(3 * s.count, sizeof *s.position, e);
    must(e);
    for (int64_t i = 0; i < s.count; i++) {
        int32_t id = (int32_t)(random_u64(0, 1, (uint64_t)i) % (uint64_t)vlm->vocab);
        s.ids[i] = i < p->tokens ? vlm->image : id == vlm->image ? 0 : id;
    }
    vlm->family->positions(vlm, &s, e);
    return s;
}

/* taken: from `low` to `high` of the estimate. */
static void compare(const char *what, size_t taken, int64_t estimate, double low, double high)
{
    double part = (double)taken / (double)estimate;
    if (!(part >= low && part <= high))
        fail_msg("%s: %zu bytes were taken, which is %.2f of the %lld estimated; read transformer_row_values "
                 "in src/model/block/transformer.c; generate_bytes",
                 what, taken, part, (long long)estimate);
}

/* A layer that keeps everything for its backward pass. */
static void one_layer(const char *what, const Transformer *t, double low, Error *e)
{
    enum { ROWS = 1600 };
    static const int64_t start[] = {0, ROWS};
    Arena arena;
    arena_init(&arena);
    Run run = {.arena = &arena, .error = e};
    run.tape = tape_new(&run);
    Mat *x = mat_new(&run, ROWS, t->shape.width);
    must(e);
    for (int64_t i = 0; i < x->rows * x->cols; i++)
        x->data[i] = (float)random_unit(0, 3, (uint64_t)i);
    size_t before = arena.total;
    const Rows rows = {NULL, {1, start}, NULL};
    assert_non_null(transformer_layer(&run, t, 0, &rows, x));
    compare(what, arena.peak - before, ROWS * transformer_row_values(&t->shape) * (int64_t)sizeof(float), low,
            1.1);
    arena_free(&arena);
}

static void prefill(const Vlm *vlm, const Sample *s, Error *e)
{
    Arena arena;
    arena_init(&arena);
    Run run = {.arena = &arena, .error = e};
    const int64_t capacity = s->count + NEW_TOKENS;
    const int64_t last = s->count - 1;
    KvCache *cache = kv_cache_new(&run, vlm->layers, vlm->kv_width, &capacity, 1);
    Mat *hidden = vlm_forward(&run, vlm, batch_pack(&run, s, 1), cache);
    vlm_logits(&run, vlm, gather_rows(&run, hidden, &last, 1));
    must(e);
    compare("prefill", arena.peak, generate_bytes(vlm, 1, s->count, NEW_TOKENS), 0.25, 1);
    arena_free(&arena);
}

/* A picture of noise. */
static Picture make_picture(const Vlm *vlm, Error *e)
{
    enum { SIDE = 168 };
    static unsigned char pixels[3 * SIDE * SIDE];
    Picture p = {0};
    for (int64_t i = 0; i < 3 * SIDE * SIDE; i++)
        pixels[i] = (unsigned char)random_u64(0, 2, (uint64_t)i);
    vlm->family->picture(vlm, &p, &(Image){SIDE, SIDE, pixels}, NULL, e);
    return p;
}

static void check_config(void **state)
{
    Error e = {0};
    Vlm vlm;
    Scratch scratch;
    scratch_make(&scratch);
    const char *pictures = *state == smolvlm ? tiles : "{}";
    scratch_write(&scratch, "preprocessor_config.json", pictures, strlen(pictures));
    vlm_invent(&vlm, scratch_write(&scratch, "config.json", *state, strlen(*state)), &e);
    must(&e);
    Picture p = make_picture(&vlm, &e);
    must(&e);
    Sample s = make_sample(&vlm, &p, &e);
    must(&e);
    if (*state == smolvlm) {
        const SmolVLM *m = vlm.model;
        one_layer("a decoder layer", &m->decoder.layers, 0.9, &e);
        one_layer("a vision layer", &m->vision.vision.layers, 0.9, &e);
    } else {
        const Qwen2VL *m = vlm.model;
        one_layer("a decoder layer", &m->decoder.layers, 0.9, &e);
        one_layer("a vision layer", &m->vision.tower.layers, 0.9, &e);
    }
    prefill(&vlm, &s, &e);
    sample_free(&s);
    picture_free(&p);
    vlm_close(&vlm);
    scratch_remove(&scratch);
}

int main(void)
{
    setenv("MPA_KERNELS", "plain", 1);
    const struct CMUnitTest tests[] = {
        {"qwen2vl", check_config, NULL, NULL, qwen2vl},
        {"smolvlm", check_config, NULL, NULL, smolvlm},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
