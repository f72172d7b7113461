/* TinyLLaVA Factory's rule of rows: "patch" leaves the first of a picture out, "cls_patch" keeps all
 * (VisionTower.forward of the Factory). What else is the Factory's is judged by its goldens,
 * golden/family/tinyllava-factory. */
#include "fixture/model_folder.h"
#include "fixture/must.h"

#include "base/folder.h"
#include "model/family.h"
#include "model/picture.h"
#include "model/vlm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const char source[] = "weights/tiny-tinyllava-factory-a";

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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
