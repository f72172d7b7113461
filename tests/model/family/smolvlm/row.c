/* SmolVLM's stages and goldens. */
#include "model/family/smolvlm/row.h"

#include "fixture/isolated.h"

#include "model/family/smolvlm/smolvlm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const ModelStage stages[] = {
    {"model.vision_model.embeddings",
     "src/model/block/siglip.c (siglip_rows, siglip_buckets), src/model/block/vision.c, src/layer/linear.c",
     true},
    {"model.vision_model.encoder.layers.%d", "src/model/block/transformer.c, src/model/block/siglip.c", true},
    {"model.vision_model.post_layernorm", "src/model/block/vision.c, src/layer/layernorm.c", true},
    {"model.connector", "src/model/block/vision.c (vision_shuffle), src/layer/merge.c", true},
    {"model.text_model.embed_tokens", "src/layer/embedding.c, src/model/block/decoder.c", false},
    {"model.text_model.layers.%d",
     "src/model/block/transformer.c; of layer 0 also src/model/family/smolvlm/smolvlm.c (positions), "
     "src/model/block/decoder.c (put_pictures)",
     false},
    {"model.text_model.norm", "src/layer/rmsnorm.c", false},
    {"logits", "src/model/batch.c (vlm_logits), src/tensor/gemm.c", false},
    {0},
};

/* All frames as one picture: the vision tower does not tell whose they are. */
static void golden_pictures(Case *c)
{
    const SmolVLM *m = c->vlm.model;
    const Tensor *connector = golden_tensor(&c->g, "model.connector");
    Picture *p = case_add_frames(c, m->vision.patch, 0, golden_tensor(&c->g, "pixel_values")->dim[1]);
    p->tokens = connector->dim[0] * connector->dim[1];
}

/* All but the connector, for which the golden has nothing isolated: golden_model_test has it. */
static void isolated_vision(Isolated *x)
{
    const SmolVLM *m = x->c.vlm.model;
    const Vision *v = &m->vision.vision;
    char name[STAGE_NAME] = "model.vision_model.embeddings";
    const VisionRows *rows = siglip_rows(&x->run, &m->vision, x->picture, x->c.pictures);
    assert_non_null(rows);
    Mat *patches = picture_patches(&x->run, x->picture, x->c.pictures);
    isolated_check(x, name, vision_embedded(&x->run, v, rows, patches),
                   "src/model/block/siglip.c, src/model/block/vision.c");
    isolated_layers(x, &v->layers, &rows->rows, isolated_input(x, name), name);
    isolated_check(x, "model.vision_model.post_layernorm",
                   norm(&x->run, &v->post_norm, isolated_input(x, name)), "src/layer/layernorm.c");
}

static const Decoder *decoder_of(const Vlm *vlm)
{
    return &((const SmolVLM *)vlm->model)->decoder;
}

static const Rope *rope_of(Run *run, const Vlm *vlm, const Sample *s)
{
    return rope_table(run, &((const SmolVLM *)vlm->model)->rotary, s->position, s->count);
}

static const Transformer *vision_layers(const Vlm *vlm)
{
    return &((const SmolVLM *)vlm->model)->vision.vision.layers;
}

const TestFamily test_smolvlm = {
    .name = "smolvlm",
    .sharded = "weights/tiny-smolvlm-a",
    .single = "weights/tiny-smolvlm-b",
    .tokenizer = "tokenizer.json",
    .passes = (const char *const[]){"a-none", "a-one", "a-two", "b-none", "b-one", "b-two", "b-whole", NULL},
    .trainings =
        (const char *const[]){"train-a", "train-b", "train-lora", "train-lora-dropout", "train-turns",
                              "train-2025-10", "train-2025-10-lora", "train-2024-12", "train-2024-12-lora",
                              "train-2024-12-as-run", "train-2024-12-as-run-lora", NULL},
    .stages = stages,
    .joined = "model.connector",
    .normed = "model.text_model.norm",
    .shape = "pixel_attention_mask",
    .read_chat = "src/model/family/smolvlm/smolvlm.c (chat), src/text/",
    .read_positions = "src/model/family/smolvlm/smolvlm.c (positions)",
    .read_pictures = "src/model/family/smolvlm/picture.c, src/image/",
    .read_joined = "src/model/block/vision.c (vision_shuffle), src/layer/merge.c, src/layer/linear.c, "
                   "src/layer/scatter.c",
    .option = {"split", "preprocessor_config.json", "do_image_splitting"},
    .golden_pictures = golden_pictures,
    .isolated_vision = isolated_vision,
    .decoder = decoder_of,
    .rope = rope_of,
    .vision_layers = vision_layers,
    .wrong_fields = smolvlm_wrong_fields,
    .wide_config =
        "{\"model_type\": \"idefics3\", \"image_token_id\": 7, \"scale_factor\": 2,"
        " \"text_config\": {\"vocab_size\": 1000, \"hidden_size\": 192, \"intermediate_size\": 512,"
        " \"num_hidden_layers\": 10, \"num_attention_heads\": 6},"
        " \"vision_config\": {\"hidden_size\": 160, \"intermediate_size\": 448,"
        " \"num_hidden_layers\": 8, \"num_attention_heads\": 5, \"image_size\": 104,"
        " \"patch_size\": 13}}",
    .wide_pictures = "{\"size\": {\"longest_edge\": 208}, \"max_image_size\": {\"longest_edge\": 104}}",
};
