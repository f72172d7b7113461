/* InternVL2's chat texts: the ids that the public code's templates and tokenizer classes give.
 * golden/family/internvl2/chats.json by ref/family_internvl2.py. */
#include "fixture/chats.h"

#include "model/family/internvl2/internvl2.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Pictures by their number of tiles. */
static int64_t pictures_of(const Vlm *vlm, const json_t *row, Picture *picture)
{
    const InternVL2Pictures *p = &((const InternVL2 *)vlm->model)->pictures;
    const int64_t side = p->tile / p->patch / p->scale;
    const json_t *tiles = json_object_get(row, "tiles");
    assert_true(json_array_size(tiles) <= CHAT_PICTURES);
    for (size_t i = 0; i < json_array_size(tiles); i++)
        picture[i] = (Picture){.tokens = row_at(tiles, i) * side * side};
    return (int64_t)json_array_size(tiles);
}

static void test_chats(void **state)
{
    (void)state;
    check_chats(&(Chats){.golden = "family/internvl2/chats",
                         .at_least = 14,
                         .pictures = pictures_of,
                         .read = "src/model/family/internvl2/internvl2.c (forms, add_pictures)"},
                "<IMG_CONTEXT>");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_chats)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
