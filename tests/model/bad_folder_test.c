/* A model folder with one wrong field at a time: vlm_open must refuse it with BAD_INPUT and name
 * the file and the field. */
#include "fixture/model_folder.h"

#include "base/file.h"
#include "base/folder.h"
#include "base/memory.h"
#include "model/vlm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Sets `path` ("a.b" for a field of an object) of `file` to the JSON `value` (NULL: removes it);
 * `expected` must stand in the message. {0} ends a list. */
typedef struct {
    const char *file, *path, *value, *expected;
} Case;

static const Case qwen2vl[] = {
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
    {0},
};

static const Case smolvlm[] = {
    {"config.json", "image_token_id", "99999999", "image_token_id"},
    {"config.json", "image_token_id", NULL, "image_token_id"}, /* its default lies outside this vocabulary */
    {"config.json", "scale_factor", "0", "scale_factor"},
    {"config.json", "scale_factor", "3", "modality_projection"},
    {"config.json", "tie_word_embeddings", "1", "tie_word_embeddings"},
    {"config.json", "text_config", "[]", "text_config"},
    {"config.json", "text_config", NULL, "embed_tokens"},
    {"config.json", "text_config.hidden_size", "0", "text_config.hidden_size"},
    {"config.json", "text_config.hidden_size", "\"48\"", "text_config.hidden_size"},
    {"config.json", "text_config.num_attention_heads", "7", "num_attention_heads"},
    {"config.json", "text_config.num_key_value_heads", "3", "num_key_value_heads"},
    {"config.json", "text_config.num_key_value_heads", NULL, "k_proj"},
    {"config.json", "text_config.head_dim", "13", "head"},
    {"config.json", "text_config.head_dim", "12", "q_proj"},
    {"config.json", "text_config.num_hidden_layers", "2", "model.text_model.layers.2"},
    {"config.json", "text_config.num_hidden_layers", "99", "model.text_model.layers."},
    {"config.json", "text_config.vocab_size", "100", "image_token_id"},
    {"config.json", "text_config.rope_theta", "0", "rope_theta"},
    {"config.json", "text_config.rms_norm_eps", "-1", "rms_norm_eps"},
    {"config.json", "text_config.hidden_act", "\"gelu\"", "hidden_act"},
    {"config.json", "text_config.rope_scaling", "{\"rope_type\": \"llama3\"}", "rope_scaling"},
    {"config.json", "vision_config", "7", "vision_config"},
    {"config.json", "vision_config.num_attention_heads", "4", "num_attention_heads"},
    {"config.json", "vision_config.num_hidden_layers", "1", "model.vision_model.encoder.layers.1"},
    {"config.json", "vision_config.hidden_size", "33", "model.vision_model"},
    {"config.json", "vision_config.image_size", "3", "image_size"},
    {"config.json", "vision_config.image_size", "40", "position_embedding"},
    {"config.json", "vision_config.patch_size", "6", "patch_embedding"},
    {"config.json", "vision_config.num_channels", "1", "num_channels"},
    {"config.json", "vision_config.hidden_act", "\"gelu\"", "vision_config.hidden_act"},
    {"config.json", "vision_config.layer_norm_eps", "\"small\"", "layer_norm_eps"},
    {"preprocessor_config.json", "size.longest_edge", "0", "size.longest_edge"},
    {"preprocessor_config.json", "size.longest_edge", "\"large\"", "size.longest_edge"},
    {"preprocessor_config.json", "size", "[50]", "size"},
    {"preprocessor_config.json", "max_image_size.longest_edge", "20", "max_image_size.longest_edge"},
    {"preprocessor_config.json", "max_image_size.longest_edge", NULL, "max_image_size"},
    {"preprocessor_config.json", "do_image_splitting", "\"no\"", "do_image_splitting"},
    {"preprocessor_config.json", "do_convert_rgb", "false", "do_convert_rgb"},
    {"preprocessor_config.json", "resample", "3", "resample"},
    {"preprocessor_config.json", "image_std", "[0.5, 0, 0.5]", "image_std"},
    {"generation_config.json", "eos_token_id", "\"<eos>\"", "eos_token_id"},
    {0},
};

/* A checkpoint with the wrong fields to try on it. */
typedef struct {
    const char *source;
    const Case *cases;
} Model;
static Model models[] = {{"weights/tiny-qwen2vl-b", qwen2vl}, {"weights/tiny-smolvlm-b", smolvlm}};

static void refused(const char *folder, const char *file, const char *expected)
{
    Vlm vlm;
    Error e = {0};
    Status status = vlm_open(&vlm, folder, &e);
    if (status == OK)
        vlm_close(&vlm);
    if (status != BAD_INPUT || !strstr(e.text, expected))
        fail_msg("%s with a wrong %s: status %d, message \"%s\" (see src/model/)", file, expected,
                 (int)status, e.text);
}

static void test_each_wrong_field_is_named(void **state)
{
    const Model *m = *state;
    for (const Case *c = m->cases; c->file; c++) {
        char folder[MODEL_FOLDER];
        Error e = {0};
        model_folder_make(folder, m->source);
        model_folder_change(folder, m->source, c->file, c->path, c->value);
        refused(folder, c->file, c->expected);
        folder_remove(folder, &e);
    }
}

static void test_unchanged_copy_opens(void **state)
{
    const Model *m = *state;
    char folder[MODEL_FOLDER];
    Vlm vlm;
    Error e = {0};
    model_folder_make(folder, m->source);
    assert_int_equal(vlm_open(&vlm, folder, &e), OK);
    vlm_close(&vlm);
    folder_remove(folder, &e);
}

/* Every file cut in the middle, empty, or replaced by a web page. */
static void test_cut_files_are_named(void **state)
{
    const Model *m = *state;
    static const char *const files[] = {"config.json", "preprocessor_config.json", "tokenizer.json",
                                        "model.safetensors"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        Text text = {0};
        char path[1000];
        Error e = {0};
        snprintf(path, sizeof path, "%s/%s", m->source, files[i]);
        assert_int_equal(file_read(&text, path, 1 << 24, &e), OK);
        const size_t lengths[] = {0, 1, text.count / 2, text.count - 2};
        for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
            char folder[MODEL_FOLDER];
            model_folder_make(folder, m->source);
            model_folder_write(folder, files[i], text.data, lengths[k]);
            refused(folder, files[i], files[i]);
            folder_remove(folder, &e);
        }
        char folder[MODEL_FOLDER];
        const char page[] = "<!DOCTYPE html><html><body>Not found</body></html>";
        model_folder_make(folder, m->source);
        model_folder_write(folder, files[i], page, strlen(page));
        refused(folder, files[i], files[i]);
        folder_remove(folder, &e);
        text_free(&text);
    }
}

static void test_missing_files_are_named(void **state)
{
    const Model *m = *state;
    static const char *const files[] = {"config.json", "tokenizer.json", "model.safetensors"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char folder[MODEL_FOLDER], path[1000];
        Error e = {0};
        model_folder_make(folder, m->source);
        snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        unlink(path);
        refused(folder, files[i], files[i]);
        folder_remove(folder, &e);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"unchanged copy opens", test_unchanged_copy_opens, NULL, NULL, models},
        {"each wrong field is named", test_each_wrong_field_is_named, NULL, NULL, models},
        {"cut files are named", test_cut_files_are_named, NULL, NULL, models},
        {"missing files are named", test_missing_files_are_named, NULL, NULL, models},
        {"SmolVLM: unchanged copy opens", test_unchanged_copy_opens, NULL, NULL, models + 1},
        {"SmolVLM: each wrong field is named", test_each_wrong_field_is_named, NULL, NULL, models + 1},
        {"SmolVLM: cut files are named", test_cut_files_are_named, NULL, NULL, models + 1},
        {"SmolVLM: missing files are named", test_missing_files_are_named, NULL, NULL, models + 1},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
