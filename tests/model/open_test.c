/* Opening where no golden looks: a tokenizer that is too large, tensors under their newer names,
 * defaults of the generation settings, a head beside a tied embedding. */
#include "fixture/model_folder.h"
#include "fixture/must.h"

#include "base/folder.h"
#include "model/fields.h"
#include "model/vlm.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { TENSORS = 200 };

static void remove_folder(const char *folder)
{
    Error e = {0};
    folder_remove(folder, &e);
    must(&e);
}

/* A copy of `source` whose tokenizer has one more added token, of this id. */
static void add_token(char folder[MODEL_FOLDER], const char *source, int64_t id)
{
    Error e = {0};
    Json j;
    char path[200];
    model_folder_make(folder, source);
    snprintf(path, sizeof path, "%s/tokenizer.json", source);
    json_open(&j, path, 1 << 24, &e);
    must(&e);
    json_append(json_object_get(j.root, "added_tokens"),
                json_pack("{s:I, s:s, s:b, s:b, s:b, s:b, s:b}", "id", (json_int_t)id, "content", "<extra>",
                          "single_word", 0, "lstrip", 0, "rstrip", 0, "normalized", 0, "special", 1),
                &e);
    must(&e);
    char *text = json_dumps(j.root, JSON_COMPACT);
    assert_non_null(text);
    model_folder_write(folder, "tokenizer.json", text, strlen(text));
    free(text);
    json_close(&j);
}

static void tokens_are_in_the_vocabulary(void **state)
{
    static const char source[] = "weights/tiny-smolvlm-b";
    char folder[MODEL_FOLDER];
    Error e = {0};
    Vlm vlm;
    (void)state;
    vlm_open(&vlm, source, &e);
    must(&e);
    const int64_t vocab = vlm.vocab;
    vlm_close(&vlm);
    add_token(folder, source, vocab);
    assert_int_equal(vlm_open(&vlm, folder, &e), BAD_INPUT);
    assert_non_null(strstr(e.text, "vocab_size"));
    remove_folder(folder);
}

/* The name that newer versions of transformers have in memory. */
static char *newer(const char *name)
{
    static const char *const pairs[][2] = {{"model.", "model.language_model."}, {"visual.", "model.visual."}};
    Text t = {0};
    Error e = {0};
    for (int i = 0; i < 2; i++) {
        size_t n = strlen(pairs[i][0]);
        if (!t.count && !strncmp(name, pairs[i][0], n))
            text_format(&t, &e, "%s%s", pairs[i][1], name + n);
    }
    must(&e);
    assert_true(t.count > 0);
    return t.data;
}

static void newer_names(void **state)
{
    static const char source[] = "weights/tiny-qwen2vl-b";
    char folder[MODEL_FOLDER];
    char path[200];
    TensorOut out[TENSORS];
    SafeTensors file;
    Error e = {0};
    Vlm old;
    Vlm new;
    (void)state;
    snprintf(path, sizeof path, "%s/model.safetensors", source);
    safetensors_open(&file, path, &e);
    must(&e);
    assert_true(file.count <= TENSORS);
    for (int64_t i = 0; i < file.count; i++) {
        const Tensor *t = file.tensor + i;
        out[i] = (TensorOut){
            .name = newer(t->name), .dtype = t->dtype, .ndim = t->ndim, .data = t->data, .held = t->dtype};
        memcpy(out[i].dim, t->dim, sizeof t->dim);
    }
    model_folder_make(folder, source);
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    remove(path); /* the link */
    safetensors_write(path, out, file.count, &e);
    vlm_open(&old, source, &e);
    vlm_open(&new, folder, &e);
    must(&e);
    assert_int_equal(old.checkpoint.params, new.checkpoint.params);
    for (int64_t i = 0; i < old.checkpoint.params; i++)
        assert_string_equal(old.checkpoint.param[i]->name, new.checkpoint.param[i]->name);
    vlm_close(&new);
    vlm_close(&old);
    for (int64_t i = 0; i < file.count; i++)
        free((char *)(uintptr_t)out[i].name);
    safetensors_close(&file);
    remove_folder(folder);
}

/* As GenerationConfig has them. */
static void generation_defaults(void **state)
{
    static const char text[] = "{\"do_sample\": true}";
    char folder[MODEL_FOLDER];
    Error e = {0};
    Vlm vlm;
    (void)state;
    model_folder_make(folder, "weights/tiny-qwen2vl-a");
    model_folder_write(folder, "generation_config.json", text, strlen(text));
    vlm_open(&vlm, folder, &e);
    must(&e);
    const GenerationConfig *g = &vlm.generation;
    assert_true(g->do_sample && g->top_k == 50 && g->n_eos == 0);
    const double one[] = {g->temperature, g->top_p, g->repetition_penalty};
    for (int i = 0; i < 3; i++)
        assert_true(one[i] >= 1 && one[i] <= 1);
    vlm_close(&vlm);
    remove_folder(folder);
}

/* The root of config.json says tied, text_config does not, and the head is there: it counts. */
static void head_beside_the_embedding(void **state)
{
    static const char source[] = "weights/tiny-smolvlm-a";
    char folder[MODEL_FOLDER];
    Error e = {0};
    Vlm vlm;
    (void)state;
    model_folder_make(folder, source);
    model_folder_change(folder, source, "config.json", "tie_word_embeddings", "true");
    vlm_open(&vlm, folder, &e);
    must(&e);
    assert_string_equal(vlm.head.weight->name, "lm_head.weight");
    vlm_close(&vlm);
    remove_folder(folder);
}

/* A token's default counts only where the vocabulary has it. */
static void default_tokens(void **state)
{
    (void)state;
    const Json config = {.path = (char *)(uintptr_t) "config.json", .root = NULL};
    Error e = {0};
    int32_t id;
    assert_int_equal(field_token(&config, "image_token_id", 101, 100, &id, &e), OK);
    assert_int_equal(id, 100);
    assert_int_equal(field_token(&config, "image_token_id", 100, 100, &id, &e), BAD_INPUT);
    assert_non_null(strstr(e.text, "image_token_id"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_are_in_the_vocabulary),
        cmocka_unit_test(newer_names),
        cmocka_unit_test(generation_defaults),
        cmocka_unit_test(head_beside_the_embedding),
        cmocka_unit_test(default_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
