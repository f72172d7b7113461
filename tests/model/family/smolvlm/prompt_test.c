/* SmolVLM's chat text: the ids that transformers' template, processor and tokenizer give, for
 * many texts and grids of tiles; and the checkpoints' end tokens.
 * golden/family/smolvlm/chats.json and settings.json by ref/family_smolvlm.py. */
#include "fixture/golden.h"
#include "fixture/must.h"

#include "model/sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { PICTURES = 4 };

static void open_checkpoint(Vlm *vlm, const json_t *row)
{
    Error e = {0};
    vlm_open(vlm, row_string(row, "checkpoint"), &e);
    must(&e);
}

/* Pictures without pixels: [rows, columns] of tiles, 0, 0 for one that is not cut. */
static int64_t pictures_of(const json_t *row, Picture *picture)
{
    int64_t tokens = row_integer(row, "tokens");
    const json_t *grid = json_object_get(row, "grid");
    assert_true(json_array_size(grid) <= PICTURES);
    for (size_t i = 0; i < json_array_size(grid); i++) {
        const json_t *pair = json_array_get(grid, i);
        int64_t rows = row_at(pair, 0);
        int64_t cols = row_at(pair, 1);
        int64_t frames = rows * cols + 1;
        picture[i] = (Picture){.grid = {frames, 0, 0}, .tiles = {rows, cols}, .tokens = frames * tokens};
    }
    return (int64_t)json_array_size(grid);
}

static void test_chats(void **state)
{
    (void)state;
    Json j = golden_rows("family/smolvlm/chats", 50);
    const char *open = "";
    int wrong = 0;
    Vlm vlm = {0};
    for (size_t i = 0; i < json_array_size(j.root); i++) {
        const json_t *row = json_array_get(j.root, i);
        const char *folder = row_string(row, "checkpoint");
        const char *question = row_string(row, "question");
        if (strcmp(open, folder)) {
            if (*open)
                vlm_close(&vlm);
            open_checkpoint(&vlm, row);
            open = folder;
        }
        Picture picture[PICTURES];
        Sample s;
        Error e = {0};
        int64_t count = pictures_of(row, picture);
        if (vlm_sample(&vlm, &s, picture, &(Question){.n_images = count, .text = question}, NULL, &e) != OK)
            fail_msg("chat %zu: %s", i, e.text);
        if (!same_ids(s.ids, s.count, json_object_get(row, "ids"))) {
            print_error("chat %zu (%s, \"%s\", %lld pictures): other ids\n", i, folder, question,
                        (long long)count);
            wrong++;
        }
        sample_free(&s);
    }
    vlm_close(&vlm);
    json_close(&j);
    if (wrong)
        fail_msg(
            "%d chats have other ids; read src/model/family/smolvlm/smolvlm.c (add_prompt, add_picture); if "
            "tokenizer_test fails too, that first",
            wrong);
}

/* The picture token in the user's own text would be taken for a picture: refused. The tags are
 * text like any other. */
static void test_picture_token_is_refused(void **state)
{
    (void)state;
    Json j = golden_rows("family/smolvlm/settings", 2);
    Vlm vlm;
    Sample s;
    Error e = {0};
    open_checkpoint(&vlm, json_array_get(j.root, 0));
    assert_int_equal(vlm_sample(&vlm, &s, NULL, &(Question){.text = "What is <image>?"}, NULL, &e),
                     BAD_INPUT);
    vlm_close(&vlm);
    json_close(&j);
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_chats),
                                       cmocka_unit_test(test_picture_token_is_refused),
                                       cmocka_unit_test(test_end_tokens)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
