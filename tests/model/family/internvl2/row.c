/* InternVL2's stages and goldens: "a" has InternLM2, "b" Phi-3. */
#include "model/family/internvl2/row.h"

#include "fixture/isolated.h"

#include "model/family/internvl2/internvl2.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define LAYERS "src/model/block/transformer.c; of layer 0 also src/model/block/decoder.c (put_pictures)"

/* A golden has the names of one of the two language models. */
static const ModelStage stages[] = {
    {"vision_model.embeddings",
     "src/model/family/internvl2/vision.c (internvl2_rows), src/model/block/vision.c", true},
    {"vision_model.encoder.layers.%d", "src/model/block/transformer.c, src/layer/scale.c", true},
    {"mlp1", "src/model/family/internvl2/vision.c (internvl2_connector), src/model/block/vision.c", true},
    {"language_model.model.layers.%d", "src/model/family/internvl2/language.c (internvl2_rotary), " LAYERS,
     false},
    {"language_model.model.norm", "src/layer/rmsnorm.c", false},
    {"logits", "src/model/batch.c (vlm_logits), src/tensor/gemm.c", false},
    {0},
};

/* All tiles as one picture: the vision tower does not tell whose they are. */
static void golden_pictures(Case *c)
{
    const InternVL2 *m = c->vlm.model;
    const Tensor *rows = golden_tensor(&c->g, "mlp1");
    Picture *p = case_add_frames(c, m->vision.patch, 0, golden_tensor(&c->g, "pixel_values")->dim[0]);
    p->tokens = rows->dim[0] * rows->dim[1];
}

/* The golden rows of the last layer without those of the class tokens. */
static Mat *patches_of(Isolated *x, const char *name, int64_t frames)
{
    Mat *rows = isolated_input(x, name);
    const int64_t each = rows->rows / frames;
    const size_t row = (size_t)rows->cols * sizeof *rows->data;
    Mat *out = mat_new(&x->run, rows->rows - frames, rows->cols);
    assert_non_null(out);
    for (int64_t f = 0; f < frames; f++)
        memcpy(out->data + f * (each - 1) * rows->cols, rows->data + (f * each + 1) * rows->cols,
               (size_t)(each - 1) * row);
    return out;
}

static void isolated_vision(Isolated *x)
{
    const InternVL2 *m = x->c.vlm.model;
    const Vision *v = &m->vision.tower;
    const VisionRows *rows = internvl2_rows(&x->run, x->picture, x->c.pictures);
    char name[STAGE_NAME] = "vision_model.embeddings";
    assert_non_null(rows);
    Mat *patches = picture_patches(&x->run, x->picture, x->c.pictures);
    isolated_check(x, name, vision_embedded(&x->run, v, rows, patches), "src/model/block/vision.c");
    isolated_layers(x, &v->layers, &rows->rows, isolated_input(x, name), name);
    Mat *last = patches_of(x, name, rows->rows.seqs.count);
    isolated_check(x, "mlp1", internvl2_connector(&x->run, &m->vision, x->picture, x->c.pictures, last),
                   "src/model/family/internvl2/vision.c");
}

static const Decoder *decoder_of(const Vlm *vlm)
{
    return &((const InternVL2 *)vlm->model)->language.decoder;
}

static const Rope *rope_of(Run *run, const Vlm *vlm, const Sample *s)
{
    const InternVL2 *m = vlm->model;
    const RotaryRule rule = internvl2_rotary(&m->language, s->position[s->count - 1] + 1);
    return rope_table(run, &rule, s->position, s->count);
}

static const Transformer *vision_layers(const Vlm *vlm)
{
    return &((const InternVL2 *)vlm->model)->vision.tower.layers;
}

const TestFamily test_internvl2 = {
    .name = "internvl2",
    .sharded = "weights/tiny-internvl2-a",
    .single = "weights/tiny-internvl2-b",
    .tokenizer = "tokenizer.model",
    .passes = (const char *const[]){"a-one", "a-two", "b-none", "b-two", NULL},
    .trainings = (const char *const[]){"train-a", "train-b", "train-lora-a", "train-lora-b", NULL},
    .stages = stages,
    .joined = "mlp1",
    .normed = "language_model.model.norm",
    .read_chat = "src/model/family/internvl2/internvl2.c (chat), src/text/sentencepiece.c",
    .read_positions = "src/model/chat.c (positions_in_order)",
    .read_pictures = "src/model/family/internvl2/picture.c, src/image/",
    .read_joined = "src/model/family/internvl2/vision.c, src/layer/merge.c, src/layer/layernorm.c, "
                   "src/layer/linear.c, src/layer/scatter.c",
    .golden_pictures = golden_pictures,
    .isolated_vision = isolated_vision,
    .decoder = decoder_of,
    .rope = rope_of,
    .vision_layers = vision_layers,
    .wrong_fields = internvl2_wrong_fields,
    .wide_config =
        "{\"model_type\": \"internvl_chat\", \"template\": \"internlm2-chat\", \"force_image_size\": 112,"
        " \"dynamic_image_size\": true, \"max_dynamic_patch\": 4,"
        " \"llm_config\": {\"architectures\": [\"InternLM2ForCausalLM\"], \"bias\": false, \"vocab_size\": "
        "1000,"
        " \"hidden_size\": 192, \"intermediate_size\": 512, \"num_hidden_layers\": 10,"
        " \"num_attention_heads\": 6, \"num_key_value_heads\": 2},"
        " \"vision_config\": {\"hidden_size\": 160, \"intermediate_size\": 640, \"num_hidden_layers\": 8,"
        " \"num_attention_heads\": 5, \"image_size\": 112, \"patch_size\": 14}}",
};
