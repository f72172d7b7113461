/* The blocks against layers of families that the program does not open yet: what they take as data
 * and no family here uses. Joined products and long rope (Phi-3), LayerNorm in a decoder with biases
 * and partial rotary (StableLM), layer scale and a class token (InternViT), fewer layers used than
 * there are (SigLIP in TinyLLaVA). Forward, each layer, and all gradients. */
#include "fixture/golden.h"
#include "fixture/must.h"
#include "fixture/scratch.h"

#include "model/block/decoder.h"
#include "model/block/vision.h"
#include "tensor/probe.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { TENSORS = 80, FACTORS = 20 };

/* The golden with its weights as a checkpoint, and a pass that shows its layers. */
typedef struct {
    Golden g;
    Scratch scratch;
    Vlm vlm; /* its checkpoint and arena alone */
    Arena arena;
    Probe probe;
    Error error;
    Run run;
} Bench;

/* Weights are what is float32 in the golden, but for x and dy. */
static void write_weights(Bench *b)
{
    TensorOut list[TENSORS];
    int64_t count = 0;
    for (int64_t i = 0; i < b->g.tensors.count; i++) {
        const Tensor *t = b->g.tensors.tensor + i;
        if (t->dtype != F32 || !strcmp(t->name, "x") || !strcmp(t->name, "dy"))
            continue;
        assert_true(count < TENSORS);
        list[count] = (TensorOut){
            .name = t->name, .dtype = F32, .ndim = t->ndim, .data = golden_floats(&b->g, t->name)};
        memcpy(list[count].dim, t->dim, sizeof t->dim);
        count++;
    }
    safetensors_write(scratch_path(&b->scratch, "model.safetensors"), list, count, &b->error);
    must(&b->error);
    for (int64_t i = 0; i < count; i++)
        free((void *)(uintptr_t)list[i].data);
}

static void bench_open(Bench *b, const char *golden)
{
    memset(b, 0, sizeof *b);
    golden_open(&b->g, golden);
    scratch_make(&b->scratch);
    write_weights(b);
    arena_init(&b->vlm.arena);
    arena_init(&b->arena);
    probe_init(&b->probe);
    checkpoint_open(&b->vlm.checkpoint, b->scratch.folder, &b->error);
    must(&b->error);
    b->run = (Run){.arena = &b->arena, .probe = &b->probe, .error = &b->error};
    b->run.tape = tape_new(&b->run);
}

static void bench_close(Bench *b)
{
    probe_free(&b->probe);
    arena_free(&b->arena);
    arena_free(&b->vlm.arena);
    checkpoint_close(&b->vlm.checkpoint);
    scratch_remove(&b->scratch);
    golden_close(&b->g);
}

static Mat *input(Bench *b)
{
    const Tensor *t = golden_tensor(&b->g, "x");
    Mat *x = mat_new(&b->run, t->dim[0], t->dim[1]);
    assert_non_null(x);
    for (int64_t i = 0; i < t->count; i++)
        x->data[i] = (float)tensor_value(t, i);
    return x;
}

/* A gradient for every parameter that was asked for. */
static void want_gradients(Bench *b)
{
    for (int64_t i = 0; i < b->vlm.checkpoint.params; i++) {
        Param *p = b->vlm.checkpoint.param[i];
        p->grad = arena_zero(&b->arena, p->count, sizeof *p->grad, &b->error);
    }
    must(&b->error);
}

/* y from x, then backward from dy: every value shown, and every gradient. */
static void check(Bench *b, Mat *x, Mat *y, const char *read)
{
    char name[120];
    Golden *g = &b->g;
    must(&b->error);
    bool good = golden_close_to(g, "y", y->data, y->rows * y->cols, golden_pass_limit, read);
    for (int64_t i = 0; i < b->probe.count; i++) {
        const char *shown = b->probe.tensor[i].name;
        good &= golden_close_to(g, shown, b->probe.tensor[i].data, golden_tensor(g, shown)->count,
                                golden_pass_limit, read);
    }
    assert_true(b->probe.count > 0);
    float *dy = mat_grad(&b->run, y);
    const float *dx = mat_grad(&b->run, x);
    assert_true(dy && dx);
    for (int64_t i = 0; i < y->rows * y->cols; i++)
        dy[i] = (float)tensor_value(golden_tensor(g, "dy"), i);
    run_backward(&b->run);
    must(&b->error);
    if (!x->constant)
        good &= golden_close_to(g, "dx", dx, x->rows * x->cols, golden_pass_limit, read);
    for (int64_t i = 0; i < b->vlm.checkpoint.params; i++) {
        const Param *p = b->vlm.checkpoint.param[i];
        snprintf(name, sizeof name, "d%s", p->name);
        good &= golden_close_to(g, name, p->grad, p->count, golden_pass_limit, read);
    }
    checkpoint_finish(&b->vlm.checkpoint, (const char *const[]){NULL}, &b->error);
    must(&b->error);
    assert_true(good);
}

static int64_t number(const Bench *b, const char *key)
{
    return (int64_t)golden_number(&b->g, key);
}

static const LayerName phi3_names[] = {
    {LAYER_NORM1, "input_layernorm", false},
    {LAYER_QKV, "self_attn.qkv_proj", false},
    {LAYER_OUT, "self_attn.o_proj", false},
    {LAYER_NORM2, "post_attention_layernorm", false},
    {LAYER_GATE_UP, "mlp.gate_up_proj", false},
    {LAYER_DOWN, "mlp.down_proj", false},
    {0},
};

static const LayerName stablelm_names[] = {
    {LAYER_NORM1, "input_layernorm", false}, {LAYER_Q, "self_attn.q_proj", true},
    {LAYER_K, "self_attn.k_proj", true},     {LAYER_V, "self_attn.v_proj", true},
    {LAYER_OUT, "self_attn.o_proj", false},  {LAYER_NORM2, "post_attention_layernorm", false},
    {LAYER_GATE, "mlp.gate_proj", false},    {LAYER_UP, "mlp.up_proj", false},
    {LAYER_DOWN, "mlp.down_proj", false},    {0},
};

static const LayerName internvit_names[] = {
    {LAYER_NORM1, "norm1", false}, {LAYER_QKV, "attn.qkv", true}, {LAYER_OUT, "attn.proj", true},
    {LAYER_SCALE1, "ls1", false},  {LAYER_NORM2, "norm2", false}, {LAYER_UP, "mlp.fc1", true},
    {LAYER_DOWN, "mlp.fc2", true}, {LAYER_SCALE2, "ls2", false},  {0},
};

static const LayerName siglip_names[] = {
    {LAYER_NORM1, "layer_norm1", false},
    {LAYER_Q, "self_attn.q_proj", true},
    {LAYER_K, "self_attn.k_proj", true},
    {LAYER_V, "self_attn.v_proj", true},
    {LAYER_OUT, "self_attn.out_proj", true},
    {LAYER_NORM2, "layer_norm2", false},
    {LAYER_UP, "mlp.fc1", true},
    {LAYER_DOWN, "mlp.fc2", true},
    {0},
};

/* A case's decoder layers over one sequence, at positions 0, 1, 2, ... */
static void check_decoder(const char *golden, NormKind norm, const LayerName *names)
{
    Bench b;
    bench_open(&b, golden);
    const json_t *list = json_object_get(b.g.notes.root, "factor");
    double factor[FACTORS];
    assert_true(json_array_size(list) <= FACTORS);
    for (size_t i = 0; i < json_array_size(list); i++)
        factor[i] = json_number_value(json_array_get(list, i));
    const RotaryRule rule = {.head = number(&b, "head"),
                             .turned = number(&b, "turned"),
                             .theta = golden_number(&b.g, "theta"),
                             .factor = list ? factor : NULL,
                             .scale = golden_number(&b.g, "scale")};
    const TransformerShape shape = {.layers = 2,
                                    .width = number(&b, "heads") * number(&b, "head"),
                                    .hidden = number(&b, "hidden"),
                                    .heads = number(&b, "heads"),
                                    .kv_heads = number(&b, "kv_heads"),
                                    .head_width = number(&b, "head"),
                                    .causal = true,
                                    .norm = norm,
                                    .eps = golden_number(&b.g, "eps"),
                                    .gated = swiglu,
                                    .names = names};
    Transformer t;
    transformer_load(&t, &b.vlm, "model.layers", &shape, &b.error);
    want_gradients(&b);
    Mat *x = input(&b);
    int32_t position[20];
    const int64_t start[] = {0, x->rows};
    assert_true(x->rows <= 20);
    for (int32_t i = 0; i < (int32_t)x->rows; i++)
        position[i] = i;
    const Rows rows = {rope_table(&b.run, &rule, position, x->rows), {1, start}, NULL};
    check(&b, x, transformer(&b.run, &t, &rows, 0, x), "src/model/block/transformer.c");
    bench_close(&b);
}

static void joined_products(void **state)
{
    (void)state;
    check_decoder("block/phi3", NORM_RMS, phi3_names);
}

static void layernorm_and_partial_rotary(void **state)
{
    (void)state;
    check_decoder("block/stablelm", NORM_LAYER, stablelm_names);
}

/* A case's tower over pictures of one frame each, all of one size. */
static void check_tower(const char *golden, VisionShape shape, int64_t extra)
{
    enum { FRAMES = 4, ROWS = 64 };
    Bench b;
    bench_open(&b, golden);
    const int64_t frames = number(&b, "frames");
    const int64_t down = number(&b, "down");
    const int64_t across = number(&b, "across");
    const int64_t P = number(&b, "patch");
    const int64_t D = number(&b, "width");
    const int64_t heads = number(&b, "heads");
    shape.layer.width = D;
    shape.layer.hidden = number(&b, "hidden");
    shape.layer.heads = heads;
    shape.layer.kv_heads = heads;
    shape.layer.head_width = D / heads;
    shape.patch_dims = 4;
    memcpy(shape.patch_dim, (int64_t[]){D, 3, P, P}, 4 * sizeof(int64_t));
    if (extra)
        memcpy(shape.positions_dim, (int64_t[]){1, extra + down * across, D}, 3 * sizeof(int64_t));
    else
        memcpy(shape.positions_dim, (int64_t[]){down * across, D}, 2 * sizeof(int64_t));
    shape.positions_dims = extra ? 3 : 2;
    Vision v;
    vision_load(&v, &b.vlm, "vision_model", &shape, 1, &b.error);
    if (!extra) /* a last norm that nobody reads: it is asked for, so that it is saved */
        norm_load(&b.vlm.checkpoint, NORM_LAYER, D, 1e-6, &b.error, "vision_model.post_layernorm");
    want_gradients(&b);
    const Picture p = {.grid = {1, down, across}, .rows = down * across};
    const Picture *list[FRAMES] = {&p, &p, &p, &p};
    assert_true(frames <= FRAMES && frames * (extra + p.rows) <= ROWS);
    int32_t position[ROWS];
    for (int64_t n = 0; n < frames * (extra + p.rows); n++)
        position[n] = (int32_t)(n % (extra + p.rows));
    const VisionRows rows = {{.seqs = vision_frames(&b.run, list, frames, extra)}, position};
    Mat *x = input(&b);
    check(&b, x, vision(&b.run, &v, &rows, x), "src/model/block/vision.c, src/model/block/transformer.c");
    assert_int_equal(b.vlm.picture_row.layers, 2);
    bench_close(&b);
}

static void class_token_and_layer_scale(void **state)
{
    (void)state;
    const VisionShape shape = {
        .patch = "embeddings.patch_embedding",
        .patch_bias = true,
        .class_token = "embeddings.class_embedding",
        .positions = "embeddings.position_embedding",
        .layers = "encoder.layers",
        .embedded = "embeddings",
        .layer = {.layers = 2, .norm = NORM_LAYER, .eps = 1e-6, .activation = gelu, .names = internvit_names},
    };
    check_tower("block/internvit", shape, 1);
}

static void fewer_layers_used(void **state)
{
    (void)state;
    const VisionShape shape = {
        .patch = "embeddings.patch_embedding",
        .patch_bias = true,
        .positions = "embeddings.position_embedding.weight",
        .layers = "encoder.layers",
        .embedded = "embeddings",
        .layer = {.layers = 3,
                  .used = 2,
                  .norm = NORM_LAYER,
                  .eps = 1e-6,
                  .activation = gelu_tanh,
                  .names = siglip_names},
    };
    check_tower("block/siglip", shape, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(joined_products),
        cmocka_unit_test(layernorm_and_partial_rotary),
        cmocka_unit_test(class_token_and_layer_scale),
        cmocka_unit_test(fewer_layers_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
