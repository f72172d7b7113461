/* A model folder with one wrong field at a time: vlm_open must refuse it with BAD_INPUT and name the file and the field. */
#include "base/file.h"
#include "base/memory.h"
#include "model/vlm.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char source[] = "weights/tiny-qwen2vl-b";

/* Sets `path` ("a.b" for a field of an object) of `file` to the JSON `value` (NULL: removes it); `expected` must stand in the message. */
typedef struct {
    const char *file, *path, *value, *expected;
} Case;

static const Case cases[] = {
    {"config.json", "model_type", "\"llama\"", "model_type"},
    {"config.json", "model_type", NULL, "model_type"},
    {"config.json", "model_type", "7", "model_type"},
    {"config.json", "hidden_size", "0", "hidden_size"},
    {"config.json", "hidden_size", "-8", "hidden_size"},
    {"config.json", "hidden_size", "2147483648", "hidden_size"},
    {"config.json", "hidden_size", "1e30", "hidden_size"},
    {"config.json", "hidden_size", "\"64\"", "hidden_size"},
    {"config.json", "hidden_size", NULL, "hidden_size"},
    {"config.json", "num_attention_heads", "7", "num_attention_heads"},
    {"config.json", "num_attention_heads", "0", "num_attention_heads"},
    {"config.json", "num_key_value_heads", "5", "num_key_value_heads"},
    {"config.json", "num_hidden_layers", "1", "model.layers.1"},
    {"config.json", "num_hidden_layers", "99", "model.layers."},
    {"config.json", "num_hidden_layers", "1.5", "num_hidden_layers"},
    {"config.json", "intermediate_size", "1", "gate_proj"},
    {"config.json", "vocab_size", "100", "image_token_id"},
    {"config.json", "vocab_size", "0", "vocab_size"},
    {"config.json", "image_token_id", "99999999", "image_token_id"},
    {"config.json", "image_token_id", NULL, "image_token_id"},
    {"config.json", "rms_norm_eps", "-1", "rms_norm_eps"},
    {"config.json", "rms_norm_eps", "\"small\"", "rms_norm_eps"},
    {"config.json", "rope_theta", "0", "rope_theta"},
    {"config.json", "rope_scaling", NULL, "rope_scaling"},
    {"config.json", "rope_scaling.mrope_section", "[1]", "mrope_section"},
    {"config.json", "rope_scaling.mrope_section", "[-1, 2, 7]", "mrope_section"},
    {"config.json", "rope_scaling.rope_type", "\"yarn\"", "rope_type"},
    {"config.json", "hidden_act", "\"relu\"", "hidden_act"},
    {"config.json", "use_sliding_window", "true", "use_sliding_window"},
    {"config.json", "tie_word_embeddings", "1", "tie_word_embeddings"},
    {"config.json", "vision_config", "[]", "vision_config"},
    {"config.json", "vision_config.depth", "0", "depth"},
    {"config.json", "vision_config.num_heads", "1000", "num_heads"},
    {"config.json", "vision_config.embed_dim", "1", "embed_dim"},
    {"config.json", "vision_config.mlp_ratio", "\"4\"", "mlp_ratio"},
    {"config.json", "vision_config.patch_size", "7", "patch_embed"},
    {"config.json", "vision_config.in_channels", "1", "in_channels"},
    {"preprocessor_config.json", "patch_size", "0", "patch_size"},
    {"preprocessor_config.json", "patch_size", "16", "patch"},
    {"preprocessor_config.json", "merge_size", "3", "merge"},
    {"preprocessor_config.json", "min_pixels", "99999999", "min_pixels"},
    {"preprocessor_config.json", "max_pixels", "\"many\"", "max_pixels"},
    {"preprocessor_config.json", "image_std", "[0, 1, 1]", "image_std"},
    {"preprocessor_config.json", "image_mean", "[0.5, 0.5]", "image_mean"},
    {"preprocessor_config.json", "image_mean", "[0.5, 0.5, \"x\"]", "image_mean"},
    {"preprocessor_config.json", "rescale_factor", "0", "rescale_factor"},
    {"preprocessor_config.json", "do_resize", "false", "do_resize"},
    {"preprocessor_config.json", "resample", "2", "resample"},
    {"generation_config.json", "temperature", "0", "temperature"},
    {"generation_config.json", "top_p", "2", "top_p"},
    {"generation_config.json", "top_k", "-1", "top_k"},
    {"generation_config.json", "eos_token_id", "\"<eos>\"", "eos_token_id"},
    {"generation_config.json", "eos_token_id", "[1, -2]", "eos_token_id"},
    {"generation_config.json", "repetition_penalty", "0", "repetition_penalty"},
};

/* A new folder of links to the files of `source`. */
static void folder_of_links(char *folder)
{
    char **names, *here = getcwd(NULL, 0);
    int64_t count;
    Error e = {0};
    strcpy(folder, "/tmp/mpa-bad-XXXXXX");
    assert_non_null(mkdtemp(folder));
    assert_int_equal(folder_list(&names, &count, source, NULL, &e), OK);
    for (int64_t i = 0; i < count; i++) {
        char from[1000], to[1000];
        snprintf(from, sizeof from, "%s/%s/%s", here, source, names[i]);
        snprintf(to, sizeof to, "%s/%s", folder, names[i]);
        assert_int_equal(symlink(from, to), 0);
    }
    names_free(names, count);
    free(here);
}

static void write_text(const char *folder, const char *file, const char *text, size_t count)
{
    char path[1000];
    Error e = {0};
    snprintf(path, sizeof path, "%s/%s", folder, file);
    unlink(path);
    assert_int_equal(file_replace(path, text, count, &e), OK);
}

static void change(const char *folder, const Case *c)
{
    char from[1000], first[100];
    snprintf(from, sizeof from, "%s/%s", source, c->file);
    json_error_t why;
    json_t *root = file_exists(from) ? json_load_file(from, 0, &why) : json_object(), *object = root;
    assert_non_null(root);
    const char *dot = strchr(c->path, '.'), *key = dot ? dot + 1 : c->path;
    if (dot) {
        snprintf(first, sizeof first, "%.*s", (int)(dot - c->path), c->path);
        object = json_object_get(root, first);
        assert_non_null(object);
    }
    if (c->value)
        assert_int_equal(json_object_set_new(object, key, json_loads(c->value, JSON_DECODE_ANY, &why)), 0);
    else
        json_object_del(object, key);
    char *text = json_dumps(root, JSON_INDENT(1));
    write_text(folder, c->file, text, strlen(text));
    free(text);
    json_decref(root);
}

static void refused(const char *folder, const char *file, const char *expected)
{
    Vlm vlm;
    Error e = {0};
    Status status = vlm_open(&vlm, folder, &e);
    if (status == OK)
        vlm_close(&vlm);
    if (status != BAD_INPUT || !strstr(e.text, expected))
        fail_msg("%s with a wrong %s: status %d, message \"%s\" (see src/model/)", file, expected, (int)status, e.text);
}

static void test_each_wrong_field_is_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char folder[64];
        Error e = {0};
        folder_of_links(folder);
        change(folder, cases + i);
        refused(folder, cases[i].file, cases[i].expected);
        folder_remove(folder, &e);
    }
}

static void test_unchanged_copy_opens(void **state)
{
    (void)state;
    char folder[64];
    Vlm vlm;
    Error e = {0};
    folder_of_links(folder);
    assert_int_equal(vlm_open(&vlm, folder, &e), OK);
    vlm_close(&vlm);
    folder_remove(folder, &e);
}

/* Every file cut in the middle, empty, or replaced by a web page. */
static void test_cut_files_are_named(void **state)
{
    (void)state;
    static const char *const files[] = {"config.json", "preprocessor_config.json", "tokenizer.json", "model.safetensors"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        Text text = {0};
        char path[1000];
        Error e = {0};
        snprintf(path, sizeof path, "%s/%s", source, files[i]);
        assert_int_equal(file_read(&text, path, 1 << 24, &e), OK);
        const size_t lengths[] = {0, 1, text.count / 2, text.count - 2};
        for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
            char folder[64];
            folder_of_links(folder);
            write_text(folder, files[i], text.data, lengths[k]);
            refused(folder, files[i], files[i]);
            folder_remove(folder, &e);
        }
        char folder[64];
        const char page[] = "<!DOCTYPE html><html><body>Not found</body></html>";
        folder_of_links(folder);
        write_text(folder, files[i], page, strlen(page));
        refused(folder, files[i], files[i]);
        folder_remove(folder, &e);
        text_free(&text);
    }
}

static void test_missing_files_are_named(void **state)
{
    (void)state;
    static const char *const files[] = {"config.json", "tokenizer.json", "model.safetensors"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char folder[64], path[1000];
        Error e = {0};
        folder_of_links(folder);
        snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        unlink(path);
        refused(folder, files[i], files[i]);
        folder_remove(folder, &e);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unchanged_copy_opens),
        cmocka_unit_test(test_each_wrong_field_is_named),
        cmocka_unit_test(test_cut_files_are_named),
        cmocka_unit_test(test_missing_files_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
