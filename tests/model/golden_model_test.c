/* Whole passes of the tiny checkpoints to loss and gradients against transformers: every tensor
 * that `mpa trace` shows. First from the golden's ids and pixels (the model alone), then chained
 * from picture files and text. A failure names the first stage that broke, in the order of the
 * computation, and the file to read. */
#include "fixture/model_pass.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* The stages of a family's way forward, in order; %d counts up as long as the golden has such a
 * tensor. */
typedef struct {
    const char *name, *read;
    bool vision; /* not there without a picture */
} Stage;
static const Stage qwen2vl[] = {
    {"visual.patch_embed", "src/model/block/vision.c, src/layer/linear.c", true},
    {"visual.blocks.%d", "src/model/block/transformer.c, src/model/family/qwen2vl/vision.c", true},
    {"visual.merger", "src/model/family/qwen2vl/vision.c", true},
    {"model.embed_tokens", "src/model/family/qwen2vl/qwen2vl.c, src/layer/embedding.c", false},
    {"model.layers.%d",
     "src/model/block/transformer.c; of layer 0 also src/model/family/qwen2vl/qwen2vl.c (scatter, positions)",
     false},
    {"model.norm", "src/layer/rmsnorm.c", false},
    {"logits", "src/model/batch.c, src/tensor/gemm.c", false},
    {NULL, NULL, false},
};
static const Stage smolvlm[] = {
    {"model.vision_model.embeddings",
     "src/model/block/siglip.c (siglip_buckets), src/model/block/vision.c, src/layer/linear.c", true},
    {"model.vision_model.encoder.layers.%d", "src/model/block/transformer.c, src/model/block/siglip.c", true},
    {"model.vision_model.post_layernorm", "src/model/block/vision.c, src/layer/layernorm.c", true},
    {"model.connector", "src/model/block/vision.c (vision_shuffle), src/layer/merge.c", true},
    {"model.text_model.embed_tokens", "src/model/family/smolvlm/smolvlm.c, src/layer/embedding.c", false},
    {"model.text_model.layers.%d",
     "src/model/block/transformer.c; of layer 0 also src/model/family/smolvlm/smolvlm.c, src/layer/scatter.c",
     false},
    {"model.text_model.norm", "src/layer/rmsnorm.c", false},
    {"logits", "src/model/batch.c, src/tensor/gemm.c", false},
    {NULL, NULL, false},
};

/* What is wrong so far: the first broken stage, and how many. */
typedef struct {
    char first[120];
    const char *read;
    int broken;
} Verdict;

static void judge(Verdict *v, Golden *g, bool good, const char *name, const char *read)
{
    if (good)
        return;
    if (!v->broken++) {
        snprintf(v->first, sizeof v->first, "%s", name);
        v->read = read;
    }
    g->quiet = true; /* what comes later follows from it */
}

/* Token ids, labels, positions: only where they are ours. */
static void check_inputs(Verdict *v, Case *c)
{
    Golden *g = &c->g;
    const char *read = case_is_smolvlm(c) ? "src/model/family/smolvlm/smolvlm.c (chat), src/text/"
                                          : "src/model/family/qwen2vl/qwen2vl.c (chat), src/text/";
    judge(v, g, golden_ints_equal(g, "input_ids", c->sample.ids, c->sample.count, read), "input_ids", read);
    if (case_has_answer(c))
        judge(v, g, golden_ints_equal(g, "labels", c->sample.labels, c->sample.count, "src/model/sample.c"),
              "labels", "src/model/sample.c");
    read = case_is_smolvlm(c) ? "src/model/family/smolvlm/smolvlm.c (positions)"
                              : "src/model/family/qwen2vl/qwen2vl.c (positions)";
    judge(v, g, golden_ints_equal(g, "position_ids", c->sample.position, 3 * c->sample.count, read),
          "position_ids", read);
}

static int64_t values(const TensorOut *t)
{
    int64_t n = 1;
    for (int i = 0; i < t->ndim; i++)
        n *= t->dim[i];
    return n;
}

static void check_pictures(Verdict *v, Case *c, const Pass *p)
{
    bool smol = case_is_smolvlm(c);
    const char *read = smol ? "src/model/family/smolvlm/picture.c, src/image/"
                            : "src/model/family/qwen2vl/picture.c, src/image/";
    const char *shape = smol ? "pixel_attention_mask" : "image_grid_thw";
    const TensorOut *pixels = pass_value(p, "pixel_values"), *grid = pass_value(p, shape);
    if (!golden_has(&c->g, "pixel_values")) {
        judge(v, &c->g, !pixels && !grid, "pixel_values without a picture", read);
        return;
    }
    judge(v, &c->g, grid && golden_ints_equal(&c->g, shape, grid->data, values(grid), read), shape, read);
    judge(v, &c->g, pixels && same_shape(golden_tensor(&c->g, "pixel_values"), pixels->ndim, pixels->dim),
          "shape of pixel_values", read);
    judge(v, &c->g,
          pixels && golden_within(&c->g, "pixel_values", pixels->data, values(pixels), 1e-6, 1, read),
          "pixel_values", read);
}

static void check_forward(Verdict *v, Case *c, const Pass *p)
{
    for (const Stage *s = case_is_smolvlm(c) ? smolvlm : qwen2vl; s->name; s++)
        for (int i = 0;; i++) {
            char name[60], number[12];
            const char *percent = strstr(s->name, "%d");
            snprintf(number, sizeof number, "%d", i);
            snprintf(name, sizeof name, "%.*s%s", percent ? (int)(percent - s->name) : (int)sizeof name,
                     s->name, percent ? number : "");
            bool there = golden_has(&c->g, name);
            if (there)
                judge(v, &c->g, golden_matches(&c->g, name, pass_value(p, name), golden_pass_limit, s->read),
                      name, s->read);
            else if (!(percent && i > 0) && !(s->vision && !c->pictures))
                fail_msg("golden/%s has no %s", c->g.name, name);
            if (!there || !percent)
                break;
        }
    float loss = (float)p->loss;
    const char *read = "src/layer/cross_entropy.c";
    if (case_has_answer(c))
        judge(v, &c->g, golden_close_to(&c->g, "loss", &loss, 1, golden_pass_limit, read), "loss", read);
}

static bool is_vision(const char *name)
{
    return !strncmp(name, "visual.", 7) || strstr(name, "vision_model.") || strstr(name, "connector.");
}

static const char *gradient_source(const char *name)
{
    return strstr(name, "connector") ? "src/layer/merge.c, src/layer/linear.c, src/layer/scatter.c; "
                                       "src/model/block/vision.c (vision_shuffle)"
           : is_vision(name) ? "the backward functions in src/layer that src/model/block/transformer.c calls"
           : strstr(name, ".layers.")
               ? "the backward functions in src/layer that src/model/block/transformer.c calls"
           : strstr(name, "embed_tokens")
               ? "src/layer/embedding.c, src/layer/scatter.c, src/layer/cross_entropy.c (tied head)"
               : "src/layer/cross_entropy.c, src/layer/rmsnorm.c";
}

/* In the order of the way back: the text model's parameters from the last to the first, then the
 * vision tower's. */
static void check_gradients(Verdict *v, Case *c, const Pass *p)
{
    const Checkpoint *k = &c->vlm.checkpoint;
    for (int vision = 0; vision < 2; vision++)
        for (int64_t i = k->params - 1; i >= 0; i--) {
            const Param *w = k->param[i];
            if (is_vision(w->name) != vision)
                continue;
            char name[120];
            snprintf(name, sizeof name, "grad.%s", w->name);
            TensorOut got = {.name = name, .dtype = F32, .ndim = w->ndim, .data = p->grad[i]};
            memcpy(got.dim, w->dim, sizeof got.dim);
            judge(v, &c->g, golden_matches(&c->g, name, &got, golden_pass_limit, gradient_source(w->name)),
                  name, gradient_source(w->name));
        }
}

/* Every gradient of the golden belongs to a parameter that we have. */
static void check_complete(const Case *c)
{
    int64_t wanted = 0;
    for (int64_t i = 0; i < c->g.tensors.count; i++)
        wanted += !strncmp(c->g.tensors.tensor[i].name, "grad.", 5);
    if (wanted != c->vlm.checkpoint.params)
        fail_msg("golden/%s has %lld gradients, the model %lld parameters", c->g.name, (long long)wanted,
                 (long long)c->vlm.checkpoint.params);
}

static void check_case(const char *golden, CaseInputs inputs)
{
    Case c;
    Pass p;
    Verdict v = {0};
    case_open(&c, golden, inputs);
    bool grad = json_is_true(json_object_get(c.g.notes.root, "grad"));
    check_inputs(&v, &c);
    pass_run(&p, &c, (PassKind){.probe = true, .gradients = grad});
    check_pictures(&v, &c, &p);
    check_forward(&v, &c, &p);
    if (grad) {
        check_complete(&c);
        check_gradients(&v, &c, &p);
    }
    pass_free(&p);
    case_close(&c);
    golden_close(&c.g);
    if (v.broken)
        fail_msg("the first stage that broke is %s (%d are off in all); read %s", v.first, v.broken, v.read);
}

static void from_files(void **state)
{
    check_case(*state, FROM_FILES);
}

static void from_golden_inputs(void **state)
{
    check_case(*state, FROM_GOLDEN);
}

int main(void)
{
    static char names[][32] = {"family/qwen2vl/a-none", "family/qwen2vl/a-one", "family/qwen2vl/a-two",
                               "family/qwen2vl/b-none", "family/qwen2vl/b-one", "family/qwen2vl/b-two",
                               "family/smolvlm/a-none", "family/smolvlm/a-one", "family/smolvlm/a-two",
                               "family/smolvlm/b-none", "family/smolvlm/b-one", "family/smolvlm/b-two",
                               "family/smolvlm/b-whole"};
    const struct CMUnitTest tests[] = {
        {"a-none: model alone", from_golden_inputs, NULL, NULL, names[0]},
        {"a-one: model alone", from_golden_inputs, NULL, NULL, names[1]},
        {"a-two: model alone", from_golden_inputs, NULL, NULL, names[2]},
        {"b-none: model alone", from_golden_inputs, NULL, NULL, names[3]},
        {"b-one: model alone", from_golden_inputs, NULL, NULL, names[4]},
        {"b-two: model alone", from_golden_inputs, NULL, NULL, names[5]},
        {"smolvlm a-none: model alone", from_golden_inputs, NULL, NULL, names[6]},
        {"smolvlm a-one: model alone", from_golden_inputs, NULL, NULL, names[7]},
        {"smolvlm a-two: model alone", from_golden_inputs, NULL, NULL, names[8]},
        {"smolvlm b-none: model alone", from_golden_inputs, NULL, NULL, names[9]},
        {"smolvlm b-one: model alone", from_golden_inputs, NULL, NULL, names[10]},
        {"smolvlm b-two: model alone", from_golden_inputs, NULL, NULL, names[11]},
        {"smolvlm b-whole: model alone", from_golden_inputs, NULL, NULL, names[12]},
        {"a-none", from_files, NULL, NULL, names[0]},
        {"a-one", from_files, NULL, NULL, names[1]},
        {"a-two", from_files, NULL, NULL, names[2]},
        {"b-none", from_files, NULL, NULL, names[3]},
        {"b-one", from_files, NULL, NULL, names[4]},
        {"b-two", from_files, NULL, NULL, names[5]},
        {"smolvlm a-none", from_files, NULL, NULL, names[6]},
        {"smolvlm a-one", from_files, NULL, NULL, names[7]},
        {"smolvlm a-two", from_files, NULL, NULL, names[8]},
        {"smolvlm b-none", from_files, NULL, NULL, names[9]},
        {"smolvlm b-one", from_files, NULL, NULL, names[10]},
        {"smolvlm b-two", from_files, NULL, NULL, names[11]},
        {"smolvlm b-whole", from_files, NULL, NULL, names[12]},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
