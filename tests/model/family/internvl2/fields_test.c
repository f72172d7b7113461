/* Fields of InternVL2 that a golden's tolerance may not see, or whose other names mean the same. */
#include "fixture/model_folder.h"
#include "fixture/must.h"

#include "base/folder.h"
#include "model/family/internvl2/internvl2.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* Newer transformers call Phi-3's rope scaling "longrope", which the public code called "su": the same
 * angles. src/model/family/internvl2/language.c (read_scaling). */
static void test_newer_name(void **state)
{
    (void)state;
    static const char source[] = "weights/tiny-internvl2-b";
    char folder[MODEL_FOLDER];
    Vlm older;
    Vlm newer;
    Error e = {0};
    model_folder_make(folder, source);
    model_folder_change(folder, source, "config.json", "llm_config.rope_scaling.type", "\"longrope\"");
    vlm_open(&older, source, &e);
    vlm_open(&newer, folder, &e);
    must(&e);
    const InternVL2Language *a = &((const InternVL2 *)older.model)->language;
    const InternVL2Language *b = &((const InternVL2 *)newer.model)->language;
    const size_t half = (size_t)a->rotary.turned / 2;
    assert_non_null(b->long_factor);
    assert_memory_equal(a->rotary.factor, b->rotary.factor, half * sizeof *a->rotary.factor);
    assert_memory_equal(a->long_factor, b->long_factor, half * sizeof *a->long_factor);
    assert_true(a->rotary.scale > 1 && a->rotary.scale <= b->rotary.scale &&
                a->rotary.scale >= b->rotary.scale);
    vlm_close(&older);
    vlm_close(&newer);
    folder_remove(folder, &e);
    must(&e);
}

static void check_eps(const LayerNorm *norm, double eps)
{
    assert_non_null(norm->weight);
    assert_true(norm->eps >= (float)eps && norm->eps <= (float)eps);
}

/* layer_norm_eps is the tower's, 1e-6; the connector has torch's default.
 * src/model/family/internvl2/vision.c (internvl2_vision_load). */
static void test_eps(void **state)
{
    (void)state;
    Vlm vlm;
    Error e = {0};
    vlm_open(&vlm, "weights/tiny-internvl2-a", &e);
    must(&e);
    const InternVL2 *m = vlm.model;
    check_eps(&m->vision.norm.layer, 1e-5);
    check_eps(&m->vision.tower.layers.layer[0].norm1.layer, 1e-6);
    check_eps(&m->vision.tower.layers.layer[1].norm2.layer, 1e-6);
    const RmsNorm *last = &m->language.decoder.norm.rms;
    assert_true(last->eps >= 1e-5F && last->eps <= 1e-5F);
    vlm_close(&vlm);
}

/* An answer ends with the template's token alone: generation_config.json lists two, of which the public
 * chat() takes no notice. src/model/family/internvl2/internvl2.c (load). */
static void test_end(void **state)
{
    (void)state;
    static const char *const rows[][2] = {{"weights/tiny-internvl2-a", "<|im_end|>"},
                                          {"weights/tiny-internvl2-b", "<|end|>"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Vlm vlm;
        Error e = {0};
        vlm_open(&vlm, rows[i][0], &e);
        must(&e);
        assert_int_equal(vlm.generation.n_eos, 1);
        assert_int_equal(vlm.generation.eos[0], tokenizer_id(vlm.tokenizer, rows[i][1]));
        vlm_close(&vlm);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_newer_name), cmocka_unit_test(test_eps),
                                       cmocka_unit_test(test_end)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
