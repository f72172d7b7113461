/* TinyLLaVA's stages and goldens. */
#include "model/family/tinyllava/row.h"

#include "fixture/isolated.h"
#include "fixture/must.h"

#include "base/memory.h"
#include "model/family/tinyllava/tinyllava.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define LAYERS                                                                                               \
    "src/model/block/transformer.c; of layer 0 also src/model/block/decoder.c (put_pictures), "              \
    "src/layer/rope.c"
/* The stages with the names of one code base or the other. */
#define STAGES(tower, projector, decoder)                                                                    \
    {tower ".embeddings",                                                                                    \
     "src/model/block/siglip.c (siglip_rows), src/model/block/vision.c, src/layer/linear.c", true},          \
        {tower ".encoder.layers.%d", "src/model/block/transformer.c, src/model/block/siglip.c", true},       \
        {projector, "src/model/family/tinyllava/tinyllava.c (picture_rows)", true},                          \
        {decoder ".embed_tokens", "src/layer/embedding.c, src/model/block/decoder.c", false},                \
        {decoder ".layers.%d", LAYERS, false}, {decoder ".norm", "src/layer/layernorm.c", false},            \
        {"logits", "src/model/batch.c (vlm_logits), src/tensor/gemm.c", false},                              \
    {                                                                                                        \
        0                                                                                                    \
    }

static const ModelStage stages[] = {
    STAGES("model.vision_tower.vision_tower.vision_model", "model.mm_projector", "model")};
static const ModelStage factory_stages[] = {
    STAGES("vision_tower._vision_tower.vision_model", "connector._connector", "language_model.model")};

/* The bytes that the pixels of picture i came from: pixel_values shows all of them, patches may not. */
static void golden_frame(Case *c, int64_t i, Image *frame)
{
    const Tensor *pixels = golden_tensor(&c->g, "pixel_values");
    const int64_t S = pixels->dim[3];
    Error e = {0};
    *frame = (Image){S, S, memory_new(3 * S * S, 1, &e)};
    must(&e);
    for (int64_t k = 0; k < 3 * S * S; k++) {
        const double value = tensor_value(pixels, (i * 3 + k % 3) * S * S + k / 3);
        frame->data[k] = (unsigned char)lround((value * 0.5 + 0.5) * 255);
    }
}

static void golden_pictures(Case *c)
{
    const TinyLlava *m = c->vlm.model;
    const int64_t count = golden_tensor(&c->g, "pixel_values")->dim[0];
    for (int64_t i = 0; i < count; i++) {
        Picture *p = case_add_frames(c, m->pictures.patch, i, 1);
        p->tokens = p->rows - m->pictures.drops_first;
        golden_frame(c, i, &p->frame);
    }
}

static void isolated_vision(Isolated *x)
{
    const TinyLlava *m = x->c.vlm.model;
    const Vision *v = &m->vision.vision;
    char name[STAGE_NAME];
    snprintf(name, sizeof name, "%s.embeddings", m->layout->tower);
    const VisionRows *rows = siglip_rows(&x->run, &m->vision, x->picture, x->c.pictures);
    assert_non_null(rows);
    Mat *patches = picture_patches(&x->run, x->picture, x->c.pictures);
    isolated_check(x, name, vision_embedded(&x->run, v, rows, patches), "src/model/block/vision.c");
    isolated_layers(x, &v->layers, &rows->rows, isolated_input(x, name), name);
    Mat *last = isolated_input(x, name);
    if (m->pictures.drops_first)
        last = vision_drop_first(&x->run, &rows->rows.seqs, last);
    Mat *hidden = gelu(&x->run, linear(&x->run, &m->fc1, last));
    isolated_check(x, m->layout->projector, linear(&x->run, &m->fc2, hidden), "src/layer/linear.c");
}

static const Decoder *decoder_of(const Vlm *vlm)
{
    return &((const TinyLlava *)vlm->model)->decoder;
}

static const Rope *rope_of(Run *run, const Vlm *vlm, const Sample *s)
{
    return rope_table(run, &((const TinyLlava *)vlm->model)->rotary, s->position, s->count);
}

static const Transformer *vision_layers(const Vlm *vlm)
{
    return &((const TinyLlava *)vlm->model)->vision.vision.layers;
}

const TestFamily test_tinyllava = {
    .name = "tinyllava",
    .sharded = "weights/tiny-tinyllava-a",
    .single = "weights/tiny-tinyllava-b",
    .tokenizer = "arcade100k.tiktoken",
    .passes = (const char *const[]){"a-two", "b-none", "b-one", NULL},
    .trainings = (const char *const[]){"train-a", "train-b", "train-lora", NULL},
    .stages = stages,
    .joined = "model.mm_projector",
    .normed = "model.norm",
    .read_chat = "src/model/family/tinyllava/tinyllava.c (chat), src/text/tiktoken.c",
    .read_positions = "src/model/chat.c (positions_in_order)",
    .read_pictures = "src/model/family/tinyllava/picture.c, src/image/",
    .read_joined = "src/model/family/tinyllava/tinyllava.c (picture_rows), src/layer/linear.c, "
                   "src/layer/scatter.c",
    .golden_pictures = golden_pictures,
    .isolated_vision = isolated_vision,
    .decoder = decoder_of,
    .rope = rope_of,
    .vision_layers = vision_layers,
    .wrong_fields = tinyllava_wrong_fields,
    .wide_config =
        "{\"model_type\": \"tiny_llava_stablelm\", \"vocab_size\": 1000, \"hidden_size\": 192,"
        " \"intermediate_size\": 512, \"num_hidden_layers\": 10, \"num_attention_heads\": 6,"
        " \"num_key_value_heads\": 6,"
        " \"vision_config\": {\"hidden_size\": 160, \"intermediate_size\": 448, \"num_hidden_layers\": 9,"
        " \"num_attention_heads\": 5, \"image_size\": 168, \"patch_size\": 14}}",
};

/* What TinyLLaVA Factory saves: other names, the whole tower on disk, one row less for a picture. */
const TestFamily test_tinyllava_factory = {
    .name = "tinyllava-factory",
    .sharded = "weights/tiny-tinyllava-factory-a",
    .single = "weights/tiny-tinyllava-factory-b",
    .tokenizer = "arcade100k.tiktoken",
    .passes = (const char *const[]){"a-two", "b-one", NULL},
    .trainings = (const char *const[]){"train-a", "train-lora", NULL},
    .stages = factory_stages,
    .joined = "connector._connector",
    .normed = "language_model.model.norm",
    .read_chat = "src/model/family/tinyllava/tinyllava.c (chat), src/text/tiktoken.c",
    .read_positions = "src/model/chat.c (positions_in_order)",
    .read_pictures = "src/model/family/tinyllava/picture.c, src/image/",
    .read_joined = "src/model/family/tinyllava/tinyllava.c (picture_rows), src/layer/linear.c, "
                   "src/layer/scatter.c",
    .golden_pictures = golden_pictures,
    .isolated_vision = isolated_vision,
    .decoder = decoder_of,
    .rope = rope_of,
    .vision_layers = vision_layers,
    .wrong_fields = tinyllava_factory_wrong_fields,
    .wide_config =
        "{\"model_type\": \"tinyllava\","
        " \"text_config\": {\"vocab_size\": 1000, \"hidden_size\": 192, \"intermediate_size\": 512,"
        " \"num_hidden_layers\": 10, \"num_attention_heads\": 6, \"num_key_value_heads\": 6},"
        " \"vision_config\": {\"hidden_size\": 160, \"intermediate_size\": 448, \"num_hidden_layers\": 9,"
        " \"num_attention_heads\": 5, \"image_size\": 168, \"patch_size\": 14}}",
};
