/* Fields of TinyLLaVA whose values a golden's tolerance may not see, or of which the goldens have one
 * only. */
#include "fixture/model_folder.h"
#include "fixture/must.h"

#include "base/folder.h"
#include "model/family/tinyllava/tinyllava.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const char source[] = "weights/tiny-tinyllava-factory-a";

/* ------------------------------------------------------------------------------ rows of a picture */

/* Rows and tokens of a picture by the folder's rule; strategy NULL: the field is absent. */
static Picture picture_with(const char *strategy)
{
    char folder[MODEL_FOLDER];
    Vlm vlm;
    Image rgb;
    Picture out;
    Error e = {0};
    model_folder_make(folder, source);
    model_folder_change(folder, source, "config.json", "vision_feature_select_strategy", strategy);
    vlm_open(&vlm, folder, &e);
    must(&e);
    image_read(&rgb, "golden/model/odd.png", &e);
    vlm.family->picture(&vlm, &out, &rgb, NULL, &e);
    must(&e);
    const Picture sizes = {.rows = out.rows, .tokens = out.tokens};
    picture_free(&out);
    image_free(&rgb);
    vlm_close(&vlm);
    folder_remove(folder, &e);
    must(&e);
    return sizes;
}

/* TinyLLaVA Factory's rule: "patch" leaves the first of a picture's rows out, "cls_patch" keeps all
 * (VisionTower.forward of the Factory). src/model/family/tinyllava/tinyllava.c (check_parts). */
static void test_rows(void **state)
{
    (void)state;
    const int64_t side = 16 / 5;
    const Picture patch = picture_with("\"patch\"");
    const Picture absent = picture_with(NULL);
    const Picture all = picture_with("\"cls_patch\"");
    assert_int_equal(patch.rows, side * side);
    assert_int_equal(patch.tokens, side * side - 1);
    assert_int_equal(absent.tokens, patch.tokens);
    assert_int_equal(all.rows, side * side);
    assert_int_equal(all.tokens, side * side);
}

/* ------------------------------------------------------------------------------------------ norms */

/* norm_eps of the one code base, layer_norm_eps of the other. src/model/family/tinyllava/tinyllava.c
 * (load_text). */
static void test_eps(void **state)
{
    (void)state;
    static const struct {
        const char *folder;
        float eps;
    } rows[] = {{"weights/tiny-tinyllava-a", 1e-5F},
                {"weights/tiny-tinyllava-b", 1e-6F},
                {"weights/tiny-tinyllava-factory-a", 1e-5F},
                {"weights/tiny-tinyllava-factory-b", 1e-6F}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Vlm vlm;
        Error e = {0};
        vlm_open(&vlm, rows[i].folder, &e);
        must(&e);
        const TinyLlava *m = vlm.model;
        const float last = m->decoder.norm.layer.eps;
        const float first = m->decoder.layers.layer[0].norm1.layer.eps;
        const float tower = m->vision.vision.layers.layer[0].norm1.layer.eps;
        if (last < rows[i].eps || last > rows[i].eps || first < rows[i].eps || first > rows[i].eps ||
            tower < 1e-6F || tower > 1e-6F)
            fail_msg("%s: eps of the decoder is %g, of the tower %g", rows[i].folder, (double)last,
                     (double)tower);
        vlm_close(&vlm);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_eps)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
