/* Whole passes of the tiny checkpoints to loss and gradients against transformers: every tensor
 * that `mpa trace` shows. First from the golden's ids and pixels (the model alone), then chained
 * from picture files and text. A failure names the first stage that broke, in the order of the
 * computation, and the file to read. */
#include "fixture/model_family.h"
#include "fixture/must.h"

#include "base/folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

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
    if (!v->broken) {
        snprintf(v->first, sizeof v->first, "%s", name);
        v->read = read;
    }
    v->broken++;
    g->quiet = true; /* what comes later follows from it */
}

static void judge_ints(Verdict *v, Golden *g, const char *name, const int32_t *got, int64_t count,
                       const char *read)
{
    judge(v, g, golden_ints_equal(g, name, got, count, read), name, read);
}

static int64_t values(const TensorOut *t)
{
    int64_t n = 1;
    for (int i = 0; i < t->ndim; i++)
        n *= t->dim[i];
    return n;
}

/* Token ids, labels, positions: right by construction where they are the golden's. */
static void check_inputs(Verdict *v, Case *c, const Pass *p)
{
    const Sample *s = &c->sample;
    const TensorOut *ids = pass_value(p, "input_ids");
    judge_ints(v, &c->g, "input_ids", ids ? ids->data : NULL, ids ? values(ids) : 0, c->family->read_chat);
    if (case_has_answer(c))
        judge_ints(v, &c->g, "labels", s->labels, s->count, "src/model/sample.c");
    judge_ints(v, &c->g, "position_ids", s->position, 3 * s->count, c->family->read_positions);
}

static void check_pictures(Verdict *v, Case *c, const Pass *p)
{
    const char *read = c->family->read_pictures;
    const char *shape = c->family->shape;
    const TensorOut *pixels = pass_value(p, "pixel_values");
    const TensorOut *grid = shape ? pass_value(p, shape) : NULL;
    if (!golden_has(&c->g, "pixel_values")) {
        judge(v, &c->g, !pixels && !grid, "pixel_values without a picture", read);
        return;
    }
    const Tensor *want = golden_tensor(&c->g, "pixel_values");
    if (shape)
        judge_ints(v, &c->g, shape, grid ? grid->data : NULL, grid ? values(grid) : 0, read);
    judge(v, &c->g, pixels && same_shape(want, pixels->ndim, pixels->dim), "shape of pixel_values", read);
    judge(v, &c->g,
          pixels && golden_within(&c->g, "pixel_values", pixels->data, values(pixels), 1e-6, 1, read),
          "pixel_values", read);
}

/* The golden tensor of the stage, of number i where the stage counts up. */
static void stage_name(char *out, size_t size, const ModelStage *s, int i)
{
    const char *percent = strstr(s->name, "%d");
    if (percent)
        snprintf(out, size, "%.*s%d%s", (int)(percent - s->name), s->name, i, percent + strlen("%d"));
    else
        snprintf(out, size, "%s", s->name);
}

static void check_stage(Verdict *v, Case *c, const Pass *p, const ModelStage *s)
{
    bool counts = strstr(s->name, "%d") != NULL;
    for (int i = 0; i == 0 || counts; i++) {
        char name[80];
        stage_name(name, sizeof name, s, i);
        if (!golden_has(&c->g, name)) {
            if (i == 0 && (c->pictures || !s->vision))
                fail_msg("golden/%s has no %s", c->g.name, name);
            return;
        }
        judge(v, &c->g, golden_matches(&c->g, name, pass_value(p, name), golden_pass_limit, s->read), name,
              s->read);
    }
}

static void check_forward(Verdict *v, Case *c, const Pass *p)
{
    for (const ModelStage *s = c->family->stages; s->name; s++)
        check_stage(v, c, p, s);
    float loss = (float)p->loss;
    const char *read = "src/layer/cross_entropy.c, src/model/loss.c";
    if (case_has_answer(c))
        judge(v, &c->g, golden_close_to(&c->g, "loss", &loss, 1, golden_pass_limit, read), "loss", read);
}

static const char *gradient_source(const TestFamily *f, const Param *p)
{
    static const char layers[] =
        "the backward functions in src/layer that src/model/block/transformer.c calls";
    if (p->part == PART_MERGER)
        return f->read_joined;
    if (p->part == PART_VISION)
        return strstr(p->name, "layers.") || strstr(p->name, "blocks.") ? layers : "src/model/block/vision.c";
    if (strstr(p->name, ".layers."))
        return layers;
    if (strstr(p->name, "embed_tokens"))
        return "src/layer/embedding.c, src/layer/scatter.c, src/layer/cross_entropy.c (tied head)";
    return "src/layer/cross_entropy.c, src/layer/rmsnorm.c";
}

static void check_gradient(Verdict *v, Case *c, const Param *w, float *grad)
{
    char name[120];
    snprintf(name, sizeof name, "grad.%s", w->name);
    TensorOut got = {.name = name, .dtype = F32, .ndim = w->ndim, .data = grad};
    memcpy(got.dim, w->dim, sizeof got.dim);
    const char *read = gradient_source(c->family, w);
    judge(v, &c->g, golden_matches(&c->g, name, &got, golden_pass_limit, read), name, read);
}

/* In the order of the backward pass: the decoder's parameters from the last to the first, then what
 * joins vision to it, then the vision tower's. */
static void check_gradients(Verdict *v, Case *c, const Pass *p)
{
    static const Part order[] = {PART_TEXT, PART_MERGER, PART_VISION};
    const Checkpoint *k = &c->vlm.checkpoint;
    for (size_t part = 0; part < sizeof order / sizeof *order; part++)
        for (int64_t i = k->params - 1; i >= 0; i--)
            if (k->param[i]->part == order[part] && !k->param[i]->unused)
                check_gradient(v, c, k->param[i], p->grad[i]);
}

/* Every gradient of the golden belongs to a parameter that we have. */
static void check_complete(const Case *c)
{
    int64_t wanted = 0;
    for (int64_t i = 0; i < c->g.tensors.count; i++)
        wanted += !strncmp(c->g.tensors.tensor[i].name, "grad.", 5);
    int64_t used = 0;
    for (int64_t i = 0; i < c->vlm.checkpoint.params; i++)
        used += !c->vlm.checkpoint.param[i]->unused;
    if (wanted != used)
        fail_msg("golden/%s has %lld gradients, the model %lld parameters", c->g.name, (long long)wanted,
                 (long long)used);
}

static void check_case(const FamilyGolden *f, CaseInputs inputs)
{
    Case c;
    Pass p;
    Verdict v = {0};
    case_open(&c, f->family, f->golden, inputs);
    bool grad = json_is_true(json_object_get(c.g.notes.root, "grad"));
    pass_run(&p, &c, (PassKind){.probe = true, .gradients = grad});
    check_inputs(&v, &c, &p);
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

/* The goldens of a family that hold a pass are those that its row lists. */
static void every_golden_pass_is_listed(void **state)
{
    const FamilyGolden *f = *state;
    char folder[120];
    char path[400];
    char **names;
    int64_t count;
    int64_t found = 0;
    int64_t listed = 0;
    Error e = {0};
    snprintf(folder, sizeof folder, "golden/family/%s", f->family->name);
    folder_list(&names, &count, folder, (const char *const[]){".safetensors", NULL}, &e);
    must(&e);
    for (int64_t i = 0; i < count; i++) {
        SafeTensors tensors;
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        safetensors_open(&tensors, path, &e);
        must(&e);
        found += safetensors_find(&tensors, "logits") != NULL;
        safetensors_close(&tensors);
    }
    names_free(names, count);
    while (f->family->passes[listed])
        listed++;
    if (found != listed)
        fail_msg("%s holds %lld passes, tests/model/family/%s/row.c lists %lld", folder, (long long)found,
                 f->family->name, (long long)listed);
}

int main(void)
{
    const FamilyTest passes[] = {{"model alone", from_golden_inputs}, {"from files", from_files}};
    const FamilyTest families[] = {{"every golden pass is listed", every_golden_pass_is_listed}};
    int failed = run_family_tests(EACH_PASS, passes, sizeof passes / sizeof *passes);
    return failed + run_family_tests(EACH_FAMILY, families, sizeof families / sizeof *families);
}
