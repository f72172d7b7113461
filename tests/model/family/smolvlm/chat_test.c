/* SmolVLM's chat text: the ids that transformers' template, processor and tokenizer give, for
 * many texts and grids of tiles; and the checkpoints' end tokens.
 * golden/family/smolvlm/chats.json and settings.json by ref/family_smolvlm.py. */
#include "fixture/chats.h"
#include "fixture/must.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void open_checkpoint(Vlm *vlm, const json_t *row)
{
    Error e = {0};
    vlm_open(vlm, row_string(row, "checkpoint"), &e);
    must(&e);
}

/* Pictures without pixels: [rows, columns] of tiles, 0, 0 for one that is not cut. */
static int64_t pictures_of(const Vlm *vlm, const json_t *row, Picture *picture)
{
    int64_t tokens = row_integer(row, "tokens");
    const json_t *grid = json_object_get(row, "grid");
    (void)vlm;
    assert_true(json_array_size(grid) <= CHAT_PICTURES);
    for (size_t i = 0; i < json_array_size(grid); i++) {
        const json_t *pair = json_array_get(grid, i);
        int64_t rows = row_at(pair, 0);
        int64_t cols = row_at(pair, 1);
        int64_t frames = rows * cols + 1;
        picture[i] = (Picture){.grid = {frames, 0, 0}, .tiles = {rows, cols}, .tokens = frames * tokens};
    }
    return (int64_t)json_array_size(grid);
}

/* The tags are text like any other. */
static void test_chats(void **state)
{
    (void)state;
    check_chats(&(Chats){.golden = "family/smolvlm/chats",
                         .at_least = 50,
                         .pictures = pictures_of,
                         .read = "src/model/family/smolvlm/smolvlm.c (add_prompt, add_picture)"},
                "<image>");
}

static void test_end_tokens(void **state)
{
    (void)state;
    Json j = golden_rows("family/smolvlm/settings", 2);
    for (size_t i = 0; i < json_array_size(j.root); i++) {
        const json_t *row = json_array_get(j.root, i);
        Vlm vlm;
        open_checkpoint(&vlm, row);
        if (vlm.generation.n_eos != 1 || vlm.generation.eos[0] != row_integer(row, "eos"))
            fail_msg("%s: %d end tokens, the first %d; read load_generation in src/model/vlm.c", vlm.folder,
                     vlm.generation.n_eos, (int)vlm.generation.eos[0]);
        vlm_close(&vlm);
    }
    json_close(&j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_chats), cmocka_unit_test(test_end_tokens)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
