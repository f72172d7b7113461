/* Adapters: which modules they are on, what they leave as it was, and PEFT's folders read and written. */
#include "fixture/model_family.h"
#include "fixture/must.h"
#include "fixture/scratch.h"

#include "base/file.h"
#include "base/folder.h"
#include "model/adapter.h"

#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char qwen2vl[] = "weights/tiny-qwen2vl-a"; /* has a head of its own */
static const char tied[] = "weights/tiny-qwen2vl-b";    /* has the embedding for a head */

/* The names of all products, as words. */
static void all_products(Text *words, const Vlm *vlm)
{
    Error e = {0};
    for (int64_t i = 0; i < vlm->checkpoint.params; i++) {
        const Param *p = vlm->checkpoint.param[i];
        if (p->linear)
            text_format(words, &e, "%.*s ", (int)(strlen(p->name) - strlen(".weight")), p->name);
    }
    must(&e);
}

static Status make(Vlm *vlm, const char *target, unsigned freeze, Error *e)
{
    return adapter_make(vlm, &(AdapterOptions){.rank = 2, .alpha = 3, .target = target, .freeze = freeze}, e);
}

static void fill(Adapter *a)
{
    for (int64_t i = 0; i < a->count; i++)
        for (int64_t k = 0; k < a->lora[i]->b.count; k++)
            a->lora[i]->b.master[k] = (float)(k % 5 - 2) / 8;
}

/* Every value that a pass shows is the same bits. */
static void assert_same_pass(const Pass *a, const Pass *b)
{
    assert_int_equal(a->probe.count, b->probe.count);
    assert_true(a->probe.count > 5);
    for (int64_t i = 0; i < a->probe.count; i++) {
        const TensorOut *x = a->probe.tensor + i;
        const TensorOut *y = b->probe.tensor + i;
        size_t count = 1;
        for (int k = 0; k < x->ndim; k++)
            count *= (size_t)x->dim[k];
        if (memcmp(x->data, y->data, count * 4))
            fail_msg("%s differs", x->name);
    }
}

/* With B = 0 on every product, in all towers, nothing changes; with another B something does. */
static void nothing_at_first(void **state)
{
    const FamilyGolden *g = *state;
    Case c;
    Pass without, with, other;
    Text words = {0};
    Error e = {0};
    case_open(&c, g->family, g->golden, FROM_FILES);
    pass_run(&without, &c, (PassKind){.probe = true});
    all_products(&words, &c.vlm);
    make(&c.vlm, text_string(&words), 0, &e);
    must(&e);
    assert_true(c.vlm.adapter.count > 5);
    pass_run(&with, &c, (PassKind){.probe = true});
    assert_same_pass(&without, &with);
    assert_memory_equal(&without.loss, &with.loss, sizeof with.loss);
    fill(&c.vlm.adapter);
    pass_run(&other, &c, (PassKind){.probe = true});
    const TensorOut *logits = pass_value(&with, "logits");
    assert_memory_not_equal(logits->data, pass_value(&other, "logits")->data, 4);
    pass_free(&without);
    pass_free(&with);
    pass_free(&other);
    text_free(&words);
    case_close(&c);
    golden_drop(&c.g);
}

/* Saved and loaded, it is the same adapter; a target that was a word stays one. */
static void saved_and_loaded(void **state)
{
    const TestFamily *f = ((const FamilyGolden *)*state)->family;
    Scratch s;
    Vlm a, b;
    Error e = {0};
    scratch_make(&s);
    vlm_open(&a, f->sharded, &e);
    vlm_open(&b, f->sharded, &e);
    make(&a, "", 0, &e);
    must(&e);
    fill(&a.adapter);
    adapter_save(&a, s.folder, &e);
    adapter_load(&b, s.folder, &e);
    must(&e);
    assert_int_equal(a.adapter.count, b.adapter.count);
    assert_true(a.adapter.count > 3 && b.adapter.rank == 2);
    for (int64_t i = 0; i < a.adapter.count; i++) {
        const Lora *x = a.adapter.lora[i];
        const Lora *y = b.adapter.lora[i];
        assert_string_equal(x->a.name, y->a.name);
        assert_true(x->key == y->key && !memcmp(&x->scale, &y->scale, sizeof x->scale));
        assert_memory_equal(x->a.master, y->a.master, (size_t)x->a.count * sizeof(float));
        assert_memory_equal(x->b.master, y->b.master, (size_t)x->b.count * sizeof(float));
    }
    vlm_close(&a);
    vlm_close(&b);
    scratch_remove(&s);
}

/* A's values are within their bound, use it up, and are other ones in another module and with another
 * seed; B is 0. */
static void start_values(void **state)
{
    (void)state;
    Vlm vlm, other;
    Error e = {0};
    vlm_open(&vlm, qwen2vl, &e);
    vlm_open(&other, qwen2vl, &e);
    make(&vlm, "q_proj", 0, &e);
    adapter_make(&other, &(AdapterOptions){.rank = 2, .alpha = 3, .target = "q_proj", .seed = 1}, &e);
    must(&e);
    const Lora *l = vlm.adapter.lora[0];
    const float bound = 1 / sqrtf((float)l->a.dim[1]);
    float low = 0, high = 0;
    for (int64_t i = 0; i < l->a.count; i++) {
        low = fminf(low, l->a.master[i]);
        high = fmaxf(high, l->a.master[i]);
    }
    assert_true(low >= -bound && high <= bound && low < -0.9F * bound && high > 0.9F * bound);
    for (int64_t i = 0; i < l->b.count; i++)
        assert_true(l->b.master[i] == 0);
    const size_t size = (size_t)l->a.count * sizeof(float);
    assert_memory_not_equal(l->a.master, vlm.adapter.lora[1]->a.master, size);
    assert_memory_not_equal(l->a.master, other.adapter.lora[0]->a.master, size);
    vlm_close(&vlm);
    vlm_close(&other);
}

/* --------------------------------------------------------------------------------------- targets */

/* The modules that words choose, their number, and what the message says where they are refused. */
static void check_target(const char *checkpoint, const char *words, unsigned freeze, int64_t count,
                         const char *message)
{
    Vlm vlm;
    Error e = {0};
    vlm_open(&vlm, checkpoint, &e);
    must(&e);
    make(&vlm, words, freeze, &e);
    if (message ? e.status != BAD_USAGE || !strstr(e.text, message) : e.status != OK)
        fail_msg("\"%s\": status %d, \"%s\"; wanted \"%s\"", words, (int)e.status, e.text, message);
    if (!message && vlm.adapter.count != count)
        fail_msg("\"%s\": %lld modules, wanted %lld", words, (long long)vlm.adapter.count, (long long)count);
    vlm_close(&vlm);
}

static void targets(void **state)
{
    (void)state;
    static const char intern[] = "weights/tiny-internvl2-a";
    Vlm vlm;
    Error e = {0};
    vlm_open(&vlm, qwen2vl, &e);
    must(&e);
    const int64_t L = vlm.layers;
    vlm_close(&vlm);
    check_target(qwen2vl, "", 0, 7 * L, NULL);
    check_target(qwen2vl, "q_proj", 0, L, NULL);
    check_target(qwen2vl, " q_proj,  k_proj ,v_proj", 0, 3 * L, NULL);
    check_target(qwen2vl, "model.layers.1.mlp.up_proj", 0, 1, NULL);
    check_target(qwen2vl, "1.mlp.up_proj self_attn.q_proj", 0, 1 + L, NULL);
    check_target(qwen2vl, "mlp.0 patch_embed.proj", 0, 2, NULL);
    check_target(qwen2vl, "q_proj mlp.0", 1u << PART_MERGER, L, NULL);
    check_target(qwen2vl, "q_proj nowhere", 0, L, NULL);
    check_target(qwen2vl, "_proj", 0, 0, "no module that is trained has such a name");
    check_target(qwen2vl, "qkv", 1u << PART_VISION, 0, "names of modules here end in: ");
    check_target(qwen2vl, "norm", 0, 0, "is no linear layer");
    check_target(qwen2vl, "embed_tokens", 0, 0, "is no linear layer");
    check_target(qwen2vl, "lm_head", 0, 1, NULL);
    check_target(tied, "embed_tokens", 0, 0, "the head's weight too");
    check_target(tied, "lm_head", 0, 0, "no module that is trained has such a name");
    check_target(intern, "wqkv mlp1.1 output", 0, 2 + 2, NULL);
}

/* --------------------------------------------------------------------------------- PEFT's folders */

/* A folder with q_proj's factors of the first layer, each value `fill`, under `names`. */
static void write_folder(Scratch *s, const char *config, const char *const *names, int64_t count,
                         const float *fill_with)
{
    Vlm vlm;
    Error e = {0};
    TensorOut out[8];
    float values[8][512];
    vlm_open(&vlm, qwen2vl, &e);
    must(&e);
    const int64_t D = vlm.width;
    vlm_close(&vlm);
    assert_true(count <= 8 && 2 * D <= 512);
    for (int64_t i = 0; i < count; i++) {
        const bool is_b = strstr(names[i], "lora_B") != NULL;
        for (int64_t k = 0; k < 2 * D; k++)
            values[i][k] = fill_with[i];
        out[i] =
            (TensorOut){.name = names[i], .ndim = 2, .dim = {is_b ? D : 2, is_b ? 2 : D}, .data = values[i]};
    }
    scratch_write(s, "adapter_config.json", config, strlen(config));
    safetensors_write(scratch_path(s, "adapter_model.safetensors"), out, count, &e);
    must(&e);
}

#define OLD "base_model.model.model.layers.0.self_attn.q_proj.lora_"
#define NEW "base_model.model.model.language_model.layers.0.self_attn.q_proj.lora_"
static const char plain[] = "{\"peft_type\": \"LORA\", \"r\": 2, \"lora_alpha\": 3}";

/* Status and message of loading the folder into the model. */
static void check_load(Scratch *s, const char *message)
{
    Vlm vlm;
    Error e = {0};
    vlm_open(&vlm, qwen2vl, &e);
    must(&e);
    adapter_load(&vlm, s->folder, &e);
    if (message ? e.status != BAD_INPUT || !strstr(e.text, message) : e.status != OK)
        fail_msg("status %d, \"%s\"; wanted \"%s\"", (int)e.status, e.text, message ? message : "success");
    if (!message) {
        assert_int_equal(vlm.adapter.count, 1);
        assert_true(vlm.adapter.lora[0]->a.master[0] == 0.5F && vlm.adapter.lora[0]->b.master[1] == 0.25F);
    }
    vlm_close(&vlm);
}

static void either_name(void **state)
{
    (void)state;
    static const char *const names[] = {OLD "A.weight", OLD "B.weight", NEW "A.weight", NEW "B.weight"};
    Scratch s;
    scratch_make(&s);
    write_folder(&s, plain, names, 4, (const float[]){0.5F, 0.25F, 0.5F, 0.25F});
    check_load(&s, NULL);
    write_folder(&s, plain, names, 2, (const float[]){0.5F, 0.25F});
    check_load(&s, NULL);
    write_folder(&s, plain, names + 2, 2, (const float[]){0.5F, 0.25F});
    check_load(&s, NULL);
    write_folder(&s, plain, names, 4, (const float[]){0.5F, 0.25F, 0.5F, 1});
    check_load(&s, "differs from the one of the same module under its other name");
    write_folder(&s, plain, names, 1, (const float[]){0.5F});
    check_load(&s, "lacks lora_B of model.layers.0.self_attn.q_proj.weight");
    scratch_remove(&s);
}

static void refused(void **state)
{
    (void)state;
    static const char *const good[] = {OLD "A.weight", OLD "B.weight"};
    static const char *const other[] = {"base_model.model.model.layers.99.self_attn.q_proj.lora_A.weight"};
    static const char *const strange[] = {"base_model.model.model.embed_tokens.lora_embedding_A"};
    static const float values[] = {0.5F, 0.25F};
    static const struct {
        const char *config, *message;
    } wrong[] = {
        {"{\"peft_type\": \"IA3\", \"r\": 2}", "peft_type: wanted \"LORA\", found \"IA3\""},
        {"{\"peft_type\": \"LORA\"}", "adapter_config.json: r"},
        {"{\"peft_type\": \"LORA\", \"r\": 3}", "wanted shape [3, "},
        {"{\"peft_type\": \"LORA\", \"r\": 2, \"use_dora\": true}", "use_dora is set"},
        {"{\"peft_type\": \"LORA\", \"r\": 2, \"bias\": \"all\"}", "bias is set"},
        {"{\"peft_type\": \"LORA\", \"r\": 2, \"rank_pattern\": {\"q_proj\": 4}}", "rank_pattern is set"},
        {"{\"peft_type\": \"LORA\", \"r\": 2, \"modules_to_save\": [\"lm_head\"]}", "modules_to_save is set"},
        {"[]", "wanted an object"},
    };
    Scratch s;
    scratch_make(&s);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        write_folder(&s, wrong[i].config, good, 2, values);
        check_load(&s, wrong[i].message);
    }
    write_folder(&s, plain, other, 1, values);
    check_load(&s, "is the adapter of another model?");
    write_folder(&s, plain, strange, 1, values);
    check_load(&s, "wanted base_model.model.MODULE.lora_A.weight");
    write_folder(&s, plain, NULL, 0, values);
    check_load(&s, "holds no tensors");
    scratch_remove(&s);
}

/* A factor of whole numbers: the type in the file's header becomes another of the same size. */
static void of_another_type(void **state)
{
    (void)state;
    static const char *const names[] = {OLD "A.weight", OLD "B.weight"};
    Scratch s;
    Text file = {0};
    Error e = {0};
    scratch_make(&s);
    write_folder(&s, plain, names, 2, (const float[]){0.5F, 0.25F});
    file_read(&file, scratch_path(&s, "adapter_model.safetensors"), 1 << 20, &e);
    must(&e);
    char *type = memchr(file.data, 'F', file.count);
    assert_true(type && !memcmp(type, "F32", 3));
    *type = 'I';
    scratch_write(&s, "adapter_model.safetensors", file.data, file.count);
    check_load(&s, "wanted type F32, F16 or BF16, found I32");
    text_free(&file);
    scratch_remove(&s);
}

/* use_rslora: alpha / sqrt(r). */
static void scale_by_root(void **state)
{
    (void)state;
    static const char *const names[] = {OLD "A.weight", OLD "B.weight"};
    static const char config[] =
        "{\"peft_type\": \"LORA\", \"r\": 2, \"lora_alpha\": 3, \"use_rslora\": true}";
    Scratch s;
    Vlm vlm;
    Error e = {0};
    scratch_make(&s);
    write_folder(&s, config, names, 2, (const float[]){1, 1});
    vlm_open(&vlm, qwen2vl, &e);
    adapter_load(&vlm, s.folder, &e);
    must(&e);
    assert_true(fabsf(vlm.adapter.lora[0]->scale - 3 / sqrtf(2)) < 1e-6F);
    vlm_close(&vlm);
    scratch_remove(&s);
}

int main(void)
{
    const FamilyTest passes[] = {{"B = 0 changes nothing", nothing_at_first}};
    const FamilyTest families[] = {{"an adapter saved and loaded", saved_and_loaded}};
    const struct CMUnitTest tests[] = {cmocka_unit_test(start_values),    cmocka_unit_test(targets),
                                       cmocka_unit_test(either_name),     cmocka_unit_test(refused),
                                       cmocka_unit_test(of_another_type), cmocka_unit_test(scale_by_root)};
    int failed = run_family_tests(EACH_PASS, passes, 1);
    failed += run_family_tests(EACH_FAMILY, families, 1);
    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
