/* TinyLLaVA's chat texts: the ids of tokenizer_image_token and of the tokenizer's class.
 * golden/family/tinyllava/chats.json by ref/family_tinyllava.py. */
#include "fixture/chats.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Each takes one position here, as in the golden. */
static int64_t pictures_of(const Vlm *vlm, const json_t *row, Picture *picture)
{
    const int64_t count = row_integer(row, "pictures");
    (void)vlm;
    assert_true(count <= CHAT_PICTURES);
    for (int64_t i = 0; i < count; i++)
        picture[i] = (Picture){.tokens = 1};
    return count;
}

/* No text has the picture's id, so none is refused. */
static void test_chats(void **state)
{
    (void)state;
    check_chats(&(Chats){.golden = "family/tinyllava/chats",
                         .at_least = 14,
                         .pictures = pictures_of,
                         .shown = -200,
                         .read = "src/model/family/tinyllava/tinyllava.c (chat)"},
                NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_chats)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
