/* Each stage on its own, fed the golden output of the stage before it: where a chained test
 * breaks, this tells whether the stage itself is wrong. */
#include "fixture/model_pass.h"

#include "model/block/decoder.h"
#include "model/family/qwen2vl/vision.h"
#include "model/family/smolvlm/siglip.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A case with its checkpoint bound a second time, stage by stage. */
typedef struct {
    Case c;
    Json config;
    Vlm parts;
    Decoder decoder;
    Arena arena;
    Error error;
    Run run;
    int broken;
} Bench;

static int64_t config_number(const Bench *b, const char *key)
{
    json_t *v = json_object_get(b->config.root, key);
    assert_true(json_is_integer(v));
    return json_integer_value(v);
}

static void must(const Bench *b)
{
    if (b->error.status != OK)
        fail_msg("%s", b->error.text);
}

static void bench_open(Bench *b, const char *golden)
{
    char path[200];
    memset(b, 0, sizeof *b);
    case_open(&b->c, golden, FROM_GOLDEN);
    const char *folder = golden_string(&b->c.g, "checkpoint");
    snprintf(path, sizeof path, "%s/config.json", folder);
    arena_init(&b->arena);
    arena_init(&b->parts.arena);
    b->run = (Run){.arena = &b->arena, .error = &b->error};
    json_open(&b->config, path, 1 << 20, &b->error);
    must(b);
    checkpoint_open(&b->parts.checkpoint, folder, &b->error);
    must(b);
}

static void bench_close(Bench *b)
{
    int broken = b->broken;
    arena_free(&b->arena);
    arena_free(&b->parts.arena);
    checkpoint_close(&b->parts.checkpoint);
    json_close(&b->config);
    case_close(&b->c);
    golden_close(&b->c.g);
    if (broken)
        fail_msg("%d stages are off", broken);
}

/* A golden tensor [.., rows, cols] as a matrix. */
static Mat *golden_mat(Bench *b, const char *name)
{
    const Tensor *t = golden_tensor(&b->c.g, name);
    int64_t cols = t->dim[t->ndim - 1];
    Mat *m = mat_new(&b->run, t->count / cols, cols);
    assert_non_null(m);
    for (int64_t i = 0; i < t->count; i++)
        m->data[i] = (float)tensor_value(t, i);
    return m;
}

static void check(Bench *b, const char *stage, const Mat *got, const char *read)
{
    char name[80];
    snprintf(name, sizeof name, "isolated.%s", stage);
    if (!got)
        fail_msg("%s: %s", name, b->error.text);
    b->broken += !golden_close_to(&b->c.g, name, got->data, got->rows * got->cols, golden_pass_limit, read);
}

static void check_qwen2vl_vision(Bench *b)
{
    Qwen2VLVision v;
    qwen2vl_vision_load(&v, &b->parts, &b->config, config_number(b, "hidden_size"), &b->error);
    must(b);
    const char *read = "src/model/family/qwen2vl/vision.c";
    const Picture *list[CASE_PICTURES];
    char name[60] = "visual.patch_embed";
    for (int64_t i = 0; i < b->c.pictures; i++)
        list[i] = b->c.picture + i;
    check(b, name, linear(&b->run, &v.patch_embed, golden_mat(b, "pixel_values")),
          "src/layer/linear.c, src/tensor/gemm.c");
    const VisionPlaces *places = qwen2vl_vision_places(&b->run, &v, list, b->c.pictures);
    for (int64_t i = 0; i < v.depth; i++) {
        Mat *x = golden_mat(b, name);
        snprintf(name, sizeof name, "visual.blocks.%lld", (long long)i);
        check(b, name, qwen2vl_vision_block(&b->run, &v, i, places, x), read);
    }
    check(b, "visual.merger", qwen2vl_vision_merger(&b->run, &v, golden_mat(b, name)), read);
}

/* Embeddings with the golden rows of the stage `joined`, which joins vision to text, at the
 * picture tokens. */
static Mat *text_input(Bench *b, const char *joined)
{
    char name[60];
    snprintf(name, sizeof name, "%s.embed_tokens", b->decoder.name);
    Mat *x = golden_mat(b, name);
    if (!b->c.pictures)
        return x;
    Mat *rows = golden_mat(b, joined);
    int64_t found = 0, image = config_number(b, "image_token_id");
    for (int64_t n = 0; n < x->rows; n++)
        if (b->c.sample.ids[n] == image)
            memcpy(x->data + n * x->cols, rows->data + found++ * x->cols, (size_t)x->cols * sizeof *x->data);
    assert_int_equal(found, rows->rows);
    return x;
}

/* The decoder's layers, last norm and head; `o`: the object of config.json that holds its sizes. */
static void check_text(Bench *b, const char *module, const json_t *o, const int64_t *section,
                       const char *joined)
{
    DecoderSizes z = {
        .qkv_bias = section != NULL, .kv_heads = 0, .positions = 2048, .eps = 1e-6, .rope_theta = 10000};
    decoder_sizes(&z, &b->config, o, "", section != NULL, &b->error);
    must(b);
    decoder_load(&b->decoder, &b->parts, module, &z,
                 json_is_true(json_object_get(b->config.root, "tie_word_embeddings")), &b->error);
    must(b);
    const int64_t start[2] = {0, b->c.sample.count};
    const Seqs seqs = {1, start};
    const RotaryRule rule = {.head = z.head_width,
                             .turned = z.head_width,
                             .theta = z.rope_theta,
                             .section = section,
                             .sections = section ? 3 : 0,
                             .scale = 1};
    const Rope *r = rope_table(&b->run, &rule, b->c.sample.position, b->c.sample.count);
    Mat *x = text_input(b, joined);
    char name[60];
    for (int64_t i = 0; i < z.layers; i++) {
        snprintf(name, sizeof name, "%s.layers.%lld", module, (long long)i);
        check(b, name, decoder_layer(&b->run, &b->decoder, i, x, r, &seqs, NULL),
              "src/model/block/decoder.c");
        x = golden_mat(b, name);
    }
    snprintf(name, sizeof name, "%s.norm", module);
    check(b, name, rmsnorm(&b->run, &b->decoder.norm, x), "src/layer/rmsnorm.c");
    check(b, "logits", vlm_logits(&b->run, &b->c.vlm, golden_mat(b, name)),
          "src/model/batch.c, src/tensor/gemm.c");
}

static void check_qwen2vl(Bench *b)
{
    int64_t section[3];
    const json_t *scaling = json_object_get(b->config.root, "rope_scaling");
    for (size_t i = 0; i < 3; i++)
        section[i] = json_integer_value(json_array_get(json_object_get(scaling, "mrope_section"), i));
    if (b->c.pictures)
        check_qwen2vl_vision(b);
    check_text(b, "model", b->config.root, section, "visual.merger");
}

/* All but the connector, which no other file can call: golden_model_test has it. */
static void check_siglip(Bench *b)
{
    Siglip v;
    char name[60] = "model.vision_model.embeddings";
    siglip_load(&v, &b->parts, &b->config, "model.vision_model", &b->error);
    must(b);
    const char *read = "src/model/family/smolvlm/siglip.c";
    const Picture *list[1] = {b->c.picture};
    assert_int_equal(b->c.pictures, 1);
    const SiglipPlaces *places = siglip_places(&b->run, &v, list, 1);
    check(b, name, siglip_embeddings(&b->run, &v, places, picture_patches(&b->run, list, 1)), read);
    for (int64_t i = 0; i < v.depth; i++) {
        Mat *x = golden_mat(b, name);
        snprintf(name, sizeof name, "model.vision_model.encoder.layers.%lld", (long long)i);
        check(b, name, siglip_layer(&b->run, &v, i, places, x), read);
    }
    check(b, "model.vision_model.post_layernorm", layernorm(&b->run, &v.post_layernorm, golden_mat(b, name)),
          "src/layer/layernorm.c");
}

static void check_smolvlm(Bench *b)
{
    if (b->c.pictures)
        check_siglip(b);
    check_text(b, "model.text_model", json_object_get(b->config.root, "text_config"), NULL,
               "model.connector");
}

static void check_case(void **state)
{
    Bench b;
    bench_open(&b, *state);
    (case_is_smolvlm(&b.c) ? check_smolvlm : check_qwen2vl)(&b);
    bench_close(&b);
}

int main(void)
{
    static char names[][32] = {"family/qwen2vl/a-none", "family/qwen2vl/a-one", "family/qwen2vl/a-two",
                               "family/qwen2vl/b-none", "family/qwen2vl/b-one", "family/qwen2vl/b-two",
                               "family/smolvlm/a-none", "family/smolvlm/a-one", "family/smolvlm/a-two",
                               "family/smolvlm/b-none", "family/smolvlm/b-one", "family/smolvlm/b-two",
                               "family/smolvlm/b-whole"};
    const struct CMUnitTest tests[] = {
        {"a-none", check_case, NULL, NULL, names[0]},
        {"a-one", check_case, NULL, NULL, names[1]},
        {"a-two", check_case, NULL, NULL, names[2]},
        {"b-none", check_case, NULL, NULL, names[3]},
        {"b-one", check_case, NULL, NULL, names[4]},
        {"b-two", check_case, NULL, NULL, names[5]},
        {"smolvlm a-none", check_case, NULL, NULL, names[6]},
        {"smolvlm a-one", check_case, NULL, NULL, names[7]},
        {"smolvlm a-two", check_case, NULL, NULL, names[8]},
        {"smolvlm b-none", check_case, NULL, NULL, names[9]},
        {"smolvlm b-one", check_case, NULL, NULL, names[10]},
        {"smolvlm b-two", check_case, NULL, NULL, names[11]},
        {"smolvlm b-whole", check_case, NULL, NULL, names[12]},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
