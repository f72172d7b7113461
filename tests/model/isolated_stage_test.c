/* Each stage on its own, fed the golden output of the stage before it: where a chained test
 * breaks, this tells whether the stage itself is wrong. */
#include "fixture/model_pass.h"

#include "model/family/qwen2vl/qwen2vl.h"
#include "model/family/smolvlm/smolvlm.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A case, the pass that its stages run in, and how many were off. */
typedef struct {
    Case c;
    const Picture *picture[CASE_PICTURES];
    Arena arena;
    Error error;
    Run run;
    int broken;
} Bench;

static void bench_open(Bench *b, const char *golden)
{
    memset(b, 0, sizeof *b);
    case_open(&b->c, golden, FROM_GOLDEN);
    for (int64_t i = 0; i < b->c.pictures; i++)
        b->picture[i] = b->c.picture + i;
    arena_init(&b->arena);
    b->run = (Run){.arena = &b->arena, .error = &b->error};
}

static void bench_close(Bench *b)
{
    int broken = b->broken;
    arena_free(&b->arena);
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

/* Layer i alone for each layer of a stack, fed the golden output of the one before it; name[60] is
 * what the first is fed, and becomes what the last gave. */
static void check_layers(Bench *b, const Transformer *t, const Rows *rows, char *name, Mat *first)
{
    for (int64_t i = 0; i < t->shape.layers; i++) {
        Mat *x = i ? golden_mat(b, name) : first;
        snprintf(name, 60, "%s.%lld", t->name, (long long)i);
        check(b, name, transformer_layer(&b->run, t, i, rows, x), "src/model/block/transformer.c");
    }
}

/* Embeddings with the golden rows of the stage `joined`, which joins vision to text, at the
 * picture tokens. */
static Mat *text_input(Bench *b, const char *embedded, const char *joined)
{
    Mat *x = golden_mat(b, embedded);
    if (!b->c.pictures)
        return x;
    Mat *rows = golden_mat(b, joined);
    int64_t found = 0;
    for (int64_t n = 0; n < x->rows; n++)
        if (b->c.sample.ids[n] == b->c.vlm.image)
            memcpy(x->data + n * x->cols, rows->data + found++ * x->cols, (size_t)x->cols * sizeof *x->data);
    assert_int_equal(found, rows->rows);
    return x;
}

/* The decoder's layers, last norm and head. */
static void check_text(Bench *b, const Decoder *d, const RotaryRule *rule, const char *joined)
{
    const Sample *s = &b->c.sample;
    const int64_t start[2] = {0, s->count};
    const Rows rows = {rope_table(&b->run, rule, s->position, s->count), {1, start}, NULL};
    char name[60];
    snprintf(name, sizeof name, "%s.%s", d->name, d->shape.embedding);
    check_layers(b, &d->layers, &rows, name, text_input(b, name, joined));
    Mat *last = golden_mat(b, name);
    snprintf(name, sizeof name, "%s.%s", d->name, d->shape.norm);
    check(b, name, norm(&b->run, &d->norm, last), "src/layer/rmsnorm.c");
    check(b, "logits", vlm_logits(&b->run, &b->c.vlm, golden_mat(b, name)),
          "src/model/batch.c, src/tensor/gemm.c");
}

static void check_qwen2vl(Bench *b)
{
    const Qwen2VL *m = b->c.vlm.model;
    const Qwen2VLVision *v = &m->vision;
    if (b->c.pictures) {
        char name[60] = "visual.patch_embed";
        const VisionRows *rows = qwen2vl_vision_rows(&b->run, v, b->picture, b->c.pictures);
        assert_non_null(rows);
        check(b, name, vision_embedded(&b->run, &v->tower, rows, golden_mat(b, "pixel_values")),
              "src/model/block/vision.c, src/layer/linear.c, src/tensor/gemm.c");
        check_layers(b, &v->tower.layers, &rows->rows, name, golden_mat(b, name));
        check(b, "visual.merger", qwen2vl_vision_merger(&b->run, v, golden_mat(b, name)),
              "src/model/family/qwen2vl/vision.c");
    }
    check_text(b, &m->decoder, &m->rotary, "visual.merger");
}

/* All but the connector, for which the golden has no isolated error: golden_model_test has it. */
static void check_smolvlm(Bench *b)
{
    const SmolVLM *m = b->c.vlm.model;
    const Vision *v = &m->vision.vision;
    if (b->c.pictures) {
        char name[60] = "model.vision_model.embeddings";
        const VisionRows *rows = siglip_rows(&b->run, &m->vision, b->picture, b->c.pictures);
        assert_non_null(rows);
        check(b, name, vision_embedded(&b->run, v, rows, picture_patches(&b->run, b->picture, b->c.pictures)),
              "src/model/block/siglip.c, src/model/block/vision.c");
        check_layers(b, &v->layers, &rows->rows, name, golden_mat(b, name));
        check(b, "model.vision_model.post_layernorm", norm(&b->run, &v->post_norm, golden_mat(b, name)),
              "src/layer/layernorm.c");
    }
    check_text(b, &m->decoder, &m->rotary, "model.connector");
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
