/* Qwen2-VL's stages and goldens. */
#include "model/family/qwen2vl/row.h"

#include "fixture/isolated.h"

#include "model/family/qwen2vl/qwen2vl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const ModelStage stages[] = {
    {"visual.patch_embed", "src/model/block/vision.c, src/layer/linear.c", true},
    {"visual.blocks.%d", "src/model/block/transformer.c, src/model/family/qwen2vl/vision.c", true},
    {"visual.merger", "src/model/family/qwen2vl/vision.c (qwen2vl_vision_merger)", true},
    {"model.embed_tokens", "src/layer/embedding.c, src/model/block/decoder.c", false},
    {"model.layers.%d",
     "src/model/block/transformer.c; of layer 0 also src/model/family/qwen2vl/qwen2vl.c (positions), "
     "src/model/block/decoder.c (put_pictures)",
     false},
    {"model.norm", "src/layer/rmsnorm.c", false},
    {"logits", "src/model/batch.c (vlm_logits), src/tensor/gemm.c", false},
    {0},
};

/* The rows of pixel_values, cut by the pictures' grids. */
static void golden_pictures(Case *c)
{
    const Qwen2VL *m = c->vlm.model;
    const Tensor *grid = golden_tensor(&c->g, "image_grid_thw");
    const Tensor *pixels = golden_tensor(&c->g, "pixel_values");
    int64_t cols = pixels->dim[1];
    int64_t from = 0;
    for (int64_t i = 0; i < grid->dim[0]; i++) {
        int64_t size[3];
        for (int axis = 0; axis < 3; axis++)
            size[axis] = (int64_t)tensor_value(grid, 3 * i + axis);
        Picture *p = case_add_picture(c, size[0] * size[1] * size[2], cols);
        memcpy(p->grid, size, sizeof size);
        p->tokens = p->rows / (m->vision.merge * m->vision.merge);
        for (int64_t k = 0; k < p->rows * cols; k++)
            p->pixels[k] = (float)tensor_value(pixels, from * cols + k);
        from += p->rows;
    }
}

static void isolated_vision(Isolated *x)
{
    const Qwen2VL *m = x->c.vlm.model;
    const Vision *v = &m->vision.tower;
    char name[STAGE_NAME] = "visual.patch_embed";
    const VisionRows *rows = qwen2vl_vision_rows(&x->run, &m->vision, x->picture, x->c.pictures);
    assert_non_null(rows);
    isolated_check(x, name, vision_embedded(&x->run, v, rows, isolated_input(x, "pixel_values")),
                   "src/model/block/vision.c, src/layer/linear.c, src/tensor/gemm.c");
    isolated_layers(x, &v->layers, &rows->rows, isolated_input(x, name), name);
    isolated_check(x, "visual.merger", qwen2vl_vision_merger(&x->run, &m->vision, isolated_input(x, name)),
                   "src/model/family/qwen2vl/vision.c");
}

static const Decoder *decoder_of(const Vlm *vlm)
{
    return &((const Qwen2VL *)vlm->model)->decoder;
}

static const Rope *rope_of(Run *run, const Vlm *vlm, const Sample *s)
{
    return rope_table(run, &((const Qwen2VL *)vlm->model)->rotary, s->position, s->count);
}

static const Transformer *vision_layers(const Vlm *vlm)
{
    return &((const Qwen2VL *)vlm->model)->vision.tower.layers;
}

const TestFamily test_qwen2vl = {
    .name = "qwen2vl",
    .sharded = "weights/tiny-qwen2vl-a",
    .single = "weights/tiny-qwen2vl-b",
    .tokenizer = "tokenizer.json",
    .passes = (const char *const[]){"a-none", "a-one", "a-two", "b-none", "b-one", "b-two", NULL},
    .trainings = (const char *const[]){"train-cosine", "train-token", "train-leftover", "train-lora",
                                       "train-lora-dropout", "train-turns", "train-2025-10",
                                       "train-2025-10-lora", "train-2024-12", "train-2024-12-lora",
                                       "train-2024-12-as-run", "train-2024-12-as-run-lora", NULL},
    .stages = stages,
    .joined = "visual.merger",
    .normed = "model.norm",
    .shape = "image_grid_thw",
    .read_chat = "src/model/family/qwen2vl/qwen2vl.c (chat), src/text/",
    .read_positions = "src/model/family/qwen2vl/qwen2vl.c (positions)",
    .read_pictures = "src/model/family/qwen2vl/picture.c, src/image/",
    .read_joined = "src/model/family/qwen2vl/vision.c and the backward functions in src/layer that it calls",
    .golden_pictures = golden_pictures,
    .isolated_vision = isolated_vision,
    .decoder = decoder_of,
    .rope = rope_of,
    .vision_layers = vision_layers,
    .wrong_fields = qwen2vl_wrong_fields,
    .wide_config =
        "{\"model_type\": \"qwen2_vl\", \"vocab_size\": 1000, \"hidden_size\": 192, \"intermediate_size\": "
        "512,"
        " \"num_hidden_layers\": 10, \"num_attention_heads\": 6, \"num_key_value_heads\": 2,"
        " \"image_token_id\": 7, \"vision_start_token_id\": 8, \"vision_end_token_id\": 9,"
        " \"rope_scaling\": {\"type\": \"mrope\", \"mrope_section\": [4, 6, 6]},"
        " \"vision_config\": {\"depth\": 8, \"embed_dim\": 160, \"num_heads\": 5, \"hidden_size\": 192}}",
    .wide_pictures = "{}",
};
