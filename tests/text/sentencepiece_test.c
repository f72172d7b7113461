/* tokenizer.model with tokenizer_config.json against the reference classes (golden/text by
 * ref/golden_tokenizers.py), and files that are broken. */
#include "fixture/scratch.h"
#include "fixture/tokens.h"

#include "base/file.h"
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char golden[] = "golden/text/sentencepiece.json";

static json_t *read_golden(void)
{
    json_error_t why;
    json_t *root = json_load_file(golden, JSON_ALLOW_NUL, &why);
    if (!root)
        fail_msg("%s: %s", golden, why.text);
    return root;
}

static void read_file(Text *out, const char *name)
{
    Error e = {0};
    char path[200];
    snprintf(path, sizeof path, "golden/text/%s", name);
    if (file_read(out, path, 1 << 20, &e) != OK)
        fail_msg("%s", e.text);
}

static void write_config(Scratch *s, const json_t *row)
{
    char *text = json_dumps(json_object_get(row, "config"), JSON_COMPACT);
    scratch_write(s, "tokenizer_config.json", text, strlen(text));
    free(text);
}

/* The files of a row of the golden file: the model, the bytes that override its options, the configuration. */
static void write_row(Scratch *s, const json_t *row)
{
    Text model = {0};
    Error e = {0};
    read_file(&model, json_string_value(json_object_get(row, "model")));
    const char *hex = json_string_value(json_object_get(row, "append"));
    for (size_t i = 0; i + 1 < strlen(hex); i += 2) {
        char pair[] = {hex[i], hex[i + 1], 0};
        char byte = (char)strtol(pair, NULL, 16);
        text_add_bytes(&model, &byte, 1, &e);
    }
    scratch_write(s, "tokenizer.model", model.data, model.count);
    write_config(s, row);
    text_free(&model);
}

static Tokenizer *open_folder(const Scratch *s)
{
    Error e = {0};
    Tokenizer *t = tokenizer_open(s->folder, &e);
    if (!t)
        fail_msg("%s", e.text);
    return t;
}

static void check_row(const json_t *row)
{
    Scratch s;
    const char *name = json_string_value(json_object_get(row, "name"));
    scratch_make(&s);
    write_row(&s, row);
    Tokenizer *t = open_folder(&s);
    tokens_check_lists(t, name, row, 40, 20);
    tokenizer_close(t);
    scratch_remove(&s);
}

static void test_reference_classes(void **state)
{
    (void)state;
    json_t *root = read_golden();
    assert_true(json_array_size(root) >= 11);
    for (size_t i = 0; i < json_array_size(root); i++)
        check_row(json_array_get(root, i));
    json_decref(root);
}

static const json_t *row_named(const json_t *root, const char *name)
{
    for (size_t i = 0; i < json_array_size(root); i++)
        if (!strcmp(json_string_value(json_object_get(json_array_get(root, i), "name")), name))
            return json_array_get(root, i);
    fail_msg("%s: no tokenizer is called %s", golden, name);
    return NULL;
}

/* Opens the tokenizer of a row; the scratch folder is left for the caller. */
static Tokenizer *open_row(Scratch *s, const char *name)
{
    json_t *root = read_golden();
    scratch_make(s);
    write_row(s, row_named(root, name));
    json_decref(root);
    return open_folder(s);
}

static void test_long_runs(void **state)
{
    (void)state;
    static const char *const units[] = {"a", " ", "the ", "\xE6\x95\xB0", "\n", "7", "[UNUSED_TOKEN_141]"};
    Scratch s;
    Tokenizer *t = open_row(&s, "phi3");
    tokens_check_long_runs(t, units, sizeof units / sizeof *units);
    tokenizer_close(t);
    scratch_remove(&s);
}

static void test_names_and_sizes(void **state)
{
    (void)state;
    Scratch s;
    Tokenizer *t = open_row(&s, "internlm2");
    assert_int_equal(tokenizer_id(t, "<s>"), 1);
    assert_true(tokenizer_id(t, "<|im_end|>") > 2);
    assert_int_equal(tokenizer_id(t, "<|im_end|>"), tokenizer_id(t, "[UNUSED_TOKEN_145]"));
    assert_int_equal(tokenizer_id(t, "</box>") + 1, tokenizer_size(t));
    assert_int_equal(tokenizer_id(t, "<|user|>"), -1);
    assert_string_equal(tokenizer_file(t), scratch_path(&s, "tokenizer.model"));
    Text text = {0};
    Error e = {0};
    const int32_t ids[] = {-1, 100000, INT32_MAX};
    assert_int_equal(tokenizer_decode(t, &text, ids, 3, false, &e), OK);
    assert_int_equal(text.count, 0);
    tokenizer_close(t);
    text_free(&text);
    scratch_remove(&s);
}

/* tokenizer.model counts where a folder holds tokenizer.json too. */
static void test_model_before_json(void **state)
{
    (void)state;
    Scratch s;
    tokenizer_close(open_row(&s, "internlm2"));
    scratch_write(&s, "tokenizer.json", "no JSON", 7);
    tokenizer_close(open_folder(&s));
    scratch_remove(&s);
}

static const char source[] = "src/text/sentencepiece_*.c";

/* A file cut anywhere is refused, never read as something shorter. */
static void test_cut_model(void **state)
{
    (void)state;
    Scratch s;
    Text model = {0};
    tokenizer_close(open_row(&s, "internlm2 without bytes"));
    read_file(&model, "unknown.model");
    for (size_t n = 0; n < model.count; n++) {
        scratch_write(&s, "tokenizer.model", model.data, n);
        tokens_check_refused(&s, "tokenizer.model", "", n, source);
    }
    text_free(&model);
    scratch_remove(&s);
}

/* A changed byte makes another file, which may be good or bad, but never reads beyond its end. */
static void test_changed_bytes(void **state)
{
    (void)state;
    static const unsigned char change[] = {0x01, 0x80, 0xFF};
    Scratch s;
    Text model = {0};
    tokenizer_close(open_row(&s, "internlm2 without bytes"));
    read_file(&model, "unknown.model");
    for (size_t n = 0; n < model.count; n++) {
        Error e = {0};
        char was = model.data[n];
        model.data[n] = (char)(was ^ change[n % 3]);
        scratch_write(&s, "tokenizer.model", model.data, model.count);
        tokenizer_close(tokenizer_open(s.folder, &e));
        assert_true(e.status == OK || e.status == BAD_INPUT);
        model.data[n] = was;
    }
    text_free(&model);
    scratch_remove(&s);
}

#define BYTES(text) text, sizeof text - 1

/* Bytes behind unknown.model, whose fields override the earlier ones or add pieces. */
static const struct {
    const char *bytes;
    size_t count;
    const char *expected;
} behind[] = {
    {BYTES("\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"), "beyond the end"},
    {BYTES("\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F"), "beyond the end"},
    {BYTES("\x0A\xFF\xFF\xFF\xFF\x0F"), "beyond the end"},
    {BYTES("\x0A\x80\x80\x80\x80\x80\x80\x80\x80\x80\x02"), "more than 64 bits"},
    {BYTES("\x0A\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"), "64 bits"},
    {BYTES("\x0A"), "ends within a number"},
    {BYTES("\x0A\x80"), "ends within a number"},
    {BYTES("\x0A\x04\x0A\x05zzzz"), "beyond the end"},
    {BYTES("\x0A\x03\x15zz"), "ends within a number"},
    {BYTES("\x9D\x06zzz"), "ends within a number"},
    {BYTES("\x99\x06zzzzzzz"), "ends within a number"},
    {BYTES("\x9B\x06"), "unknown wire type"},
    {BYTES("\x9E\x06"), "unknown wire type"},
    {BYTES("\x02\x01"), "field number"},
    {BYTES("\xFA\xFF\xFF\xFF\xFF\x01\x01"), "field number"},
    {BYTES("\x08\x01"), "pieces: wanted wire type 2, found 0"},
    {BYTES("\x0A\x02\x08\x01"), "pieces.piece: wanted wire type 2"},
    {BYTES("\x0A\x05\x0A\x01\x7E\x10\x01"), "pieces.score: wanted wire type 5"},
    {BYTES("\x0A\x06\x0A\x01\x7E\x1A\x01\x01"), "pieces.type: wanted wire type 0"},
    {BYTES("\x0A\x00"), "text is empty"},
    {BYTES("\x0A\x02\x0A\x00"), "text is empty"},
    {BYTES("\x0A\x04\x0A\x02\x00z"), "holds a NUL"},
    {BYTES("\x0A\x05\x0A\x01\x7E\x18\x00"), "type is not one of"},
    {BYTES("\x0A\x05\x0A\x01\x7E\x18\x05"), "type is not one of"},
    {BYTES("\x0A\x05\x0A\x01\x7E\x18\x07"), "type is not one of"},
    {BYTES("\x0A\x0E\x0A\x01\x7E\x18\x81\x80\x80\x80\x80\x80\x80\x80\x80\x01"), "type is not one of"},
    {BYTES("\x0A\x08\x0A\x01\x7E\x15\x00\x00\xC0\x7F"), "no finite number"},
    {BYTES("\x0A\x08\x0A\x01\x7E\x15\x00\x00\x80\xFF"), "no finite number"},
    {BYTES("\x0A\x05\x0A\x01\x7E\x18\x06"), "type is byte"},
    {BYTES("\x0A\x0A\x0A\x06<0x4a>\x18\x06"), "type is byte"},
    {BYTES("\x0A\x0A\x0A\x06<0x4A>\x18\x06"), "byte_fallback is off"},
    {BYTES("\x0A\x05\x0A\x01\x7E\x18\x02"), "second one of type unknown"},
    {BYTES("\x0A\x05\x0A\x03<s>"), "earlier piece has the same text"},
    {BYTES("\x12\x02\x18\x01"), "model_type: wanted 2 (BPE), found 1"},
    {BYTES("\x12\x03\x1A\x01\x02"), "trainer_spec.model_type: wanted wire type 0"},
    {BYTES("\x12\x03\xC0\x01\x01"), "treat_whitespace_as_suffix"},
    {BYTES("\x12\x03\x98\x02\x01"), "byte_fallback is on"},
    {BYTES("\x12\x03\xE0\x02\x01"), "unk_surface: wanted wire type 2"},
    {BYTES("\x1A\x02\x20\x01"), "remove_extra_whitespaces"},
    {BYTES("\x1A\x02\x28\x00"), "escape_whitespaces"},
    {BYTES("\x1A\x03\x12\x01z"), "normalizer_spec.precompiled_charsmap"},
    {BYTES("\x2A\x03\x12\x01z"), "denormalizer_spec.precompiled_charsmap"},
    {BYTES("\x18\x01"), "normalizer_spec: wanted wire type 2"},
};

static void test_broken_models(void **state)
{
    (void)state;
    Scratch s;
    tokenizer_close(open_row(&s, "internlm2 without bytes"));
    for (size_t i = 0; i < sizeof behind / sizeof *behind; i++) {
        Text model = {0};
        Error e = {0};
        read_file(&model, "unknown.model");
        text_add_bytes(&model, behind[i].bytes, behind[i].count, &e);
        scratch_write(&s, "tokenizer.model", model.data, model.count);
        tokens_check_refused(&s, "tokenizer.model", behind[i].expected, i, source);
        text_free(&model);
    }
    scratch_remove(&s);
}

/* A piece of 513 bytes: whoever cuts it at every place would take quadratic time. */
static void test_long_piece(void **state)
{
    (void)state;
    Scratch s;
    Text model = {0};
    Error e = {0};
    tokenizer_close(open_row(&s, "internlm2 without bytes"));
    read_file(&model, "unknown.model");
    text_add_bytes(&model, BYTES("\x0A\x84\x04\x0A\x81\x04"), &e);
    for (int i = 0; i < 513; i++)
        text_add(&model, "z", &e);
    scratch_write(&s, "tokenizer.model", model.data, model.count);
    tokens_check_refused(&s, "tokenizer.model", "more than 512 bytes", 0, source);
    text_free(&model);
    scratch_remove(&s);
}

/* Pieces, trainer_spec (BPE) and normalizer_spec (no extra spaces removed, no dummy prefix). */
#define OPTIONS "\x12\x02\x18\x02\x1A\x04\x18\x00\x20\x00"
#define CONTROLS "\x0A\x07\x0A\x03<s>\x18\x03\x0A\x08\x0A\x04</s>\x18\x03"
#define UNKNOWN "\x0A\x09\x0A\x05<unk>\x18\x02"

/* A score that is not there is 0, an unknown field of any wire type is skipped. */
static void test_scores_missing(void **state)
{
    (void)state;
    Scratch s;
    json_t *root = read_golden();
    scratch_make(&s);
    write_config(&s, row_named(root, "internlm2 without bytes"));
    static const char good[] =
        UNKNOWN CONTROLS "\x0A\x03\x0A\x01\x61\x0A\x03\x0A\x01\x62\x0A\x04\x0A\x02\x62\x61"
                         "\x98\x06\x01\x99\x06zzzzzzzz\x9A\x06\x01z\x9D\x06zzzz" OPTIONS;
    scratch_write(&s, "tokenizer.model", BYTES(good));
    Tokenizer *t = open_folder(&s);
    Ids ids = {0};
    Error e = {0};
    assert_int_equal(tokenizer_encode(t, &ids, "abac", 4, &e), OK);
    assert_int_equal(ids.count, 4);
    const int32_t want[] = {1, 3, 5, 0};
    assert_memory_equal(ids.data, want, sizeof want);
    ids_free(&ids);
    tokenizer_close(t);
    static const char no_unknown[] = CONTROLS "\x0A\x03\x0A\x01\x61" OPTIONS;
    scratch_write(&s, "tokenizer.model", BYTES(no_unknown));
    tokens_check_refused(&s, "tokenizer.model", "no piece is of type unknown", 0, source);
    scratch_write(&s, "tokenizer.model", BYTES(OPTIONS));
    tokens_check_refused(&s, "tokenizer.model", "0 pieces", 1, source);
    json_decref(root);
    scratch_remove(&s);
}

/* Each replaces `from` in the configuration by `to`. */
static const struct {
    const char *from, *to, *expected;
} broken[] = {
    {"\"LlamaTokenizer\"", "\"LlamaTokenizerFast\"", "tokenizer_class"},
    {"\"tokenizer_class\"", "\"class\"", "tokenizer_class"},
    {"\"legacy\":false", "\"legacy\":\"no\"", "legacy"},
    {"\"legacy\":false", "\"split_special_tokens\":true", "split_special_tokens"},
    {"\"legacy\":false", "\"do_lower_case\":true", "do_lower_case"},
    {"\"legacy\":false", "\"sp_model_kwargs\":{\"enable_sampling\":true}", "sp_model_kwargs"},
    {"\"legacy\":false", "\"extra_special_tokens\":{\"x\":\"y\"}", "extra_special_tokens"},
    {"\"add_bos_token\":true", "\"add_bos_token\":1", "add_bos_token"},
    {"\"bos_token\":\"<s>\"", "\"bos_token\":null", "bos_token is null"},
    {"\"bos_token\":\"<s>\"", "\"bos_token\":[1]", "bos_token"},
    {"\"bos_token\":\"<s>\"", "\"bos_token\":{\"contents\":\"<s>\"}", "bos_token"},
    {"\"additional_special_tokens\":[", "\"additional_special_tokens\":[7,", "additional_special_tokens[0]"},
    {"\"additional_special_tokens\":[", "\"additional_special_tokens\":{\"a\":1},\"b\":[", "a list"},
    {"\"added_tokens_decoder\"", "\"added_tokens\"", "added_tokens_decoder"},
    {"\"0\":{", "\"x\":{", "added_tokens_decoder.x"},
    {"\"0\":{", "\"-1\":{", "added_tokens_decoder.-1"},
    {"\"0\":{", "\"67108864\":{", "added_tokens_decoder.67108864"},
    {"\"0\":{", "\"\":{", "the key is no token id"},
    {"\"0\":{", "\"0\":7,\"9\":{", "added_tokens_decoder.0"},
    {"\"content\":\"<unk>\"", "\"content\":\"\"", "content is empty"},
    {"\"content\":\"<unk>\"", "\"contents\":\"\"", "content"},
    {"\"content\":\"<unk>\"", "\"content\":\"<s>\"", "piece of tokenizer.model with another id"},
    {"\"content\":\"</s>\"", "\"content\":\"<s>\"", "another added token's"},
    {"\"content\":\"<unk>\"", "\"content\":\"<unk>\",\"single_word\":true", "single_word"},
    {"\"content\":\"<unk>\"", "\"content\":\"<unk>\",\"lstrip\":0", "lstrip"},
};

static void test_broken_configurations(void **state)
{
    (void)state;
    Scratch s;
    tokenizer_close(open_row(&s, "phi3"));
    json_t *root = read_golden();
    char *text = json_dumps(json_object_get(row_named(root, "phi3"), "config"), JSON_COMPACT);
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        const char *at = strstr(text, broken[i].from);
        if (!at)
            fail_msg("case %zu: %s does not stand in the file", i, broken[i].from);
        Text changed = {0};
        Error e = {0};
        text_format(&changed, &e, "%.*s%s%s", (int)(at - text), text, broken[i].to,
                    at + strlen(broken[i].from));
        scratch_write(&s, "tokenizer_config.json", changed.data, changed.count);
        tokens_check_refused(&s, "tokenizer_config.json", broken[i].expected, i, source);
        text_free(&changed);
    }
    scratch_write(&s, "tokenizer_config.json", "[]", 2);
    tokens_check_refused(&s, "tokenizer_config.json", "wanted an object", 100, source);
    remove(scratch_path(&s, "tokenizer_config.json"));
    tokens_check_refused(&s, "tokenizer_config.json", "", 101, source);
    free(text);
    json_decref(root);
    scratch_remove(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference_classes), cmocka_unit_test(test_long_runs),
        cmocka_unit_test(test_names_and_sizes),   cmocka_unit_test(test_model_before_json),
        cmocka_unit_test(test_cut_model),         cmocka_unit_test(test_changed_bytes),
        cmocka_unit_test(test_broken_models),     cmocka_unit_test(test_long_piece),
        cmocka_unit_test(test_scores_missing),    cmocka_unit_test(test_broken_configurations),
    };
    return cmocka_run_group_tests_name("text/sentencepiece", tests, NULL, NULL);
}
