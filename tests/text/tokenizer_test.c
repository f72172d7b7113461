/* Tokenizers against the reference library: golden/text by ref/golden_text.py,
 * golden/family/smolvlm by ref/family_smolvlm.py. */
#include "fixture/must.h"
#include "fixture/scratch.h"
#include "fixture/tokens.h"

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "text/tokenizer.h"
#include "text/unicode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static Json open_json(const char *path)
{
    Json j;
    Error e = {0};
    if (json_open(&j, path, 1 << 28, &e) != OK)
        fail_msg("%s", e.text);
    return j;
}

static void read_text(Text *text, const char *path)
{
    Error e = {0};
    if (file_read(text, path, 1 << 28, &e) != OK)
        fail_msg("%s", e.text);
}

/* Opens the tokenizer whose tokenizer.json is the file `path`. */
static Tokenizer *open_copy(const char *path)
{
    Scratch s;
    Text text = {0};
    Error e = {0};
    scratch_make(&s);
    read_text(&text, path);
    scratch_write(&s, "tokenizer.json", text.data, text.count);
    Tokenizer *t = tokenizer_open(s.folder, &e);
    if (!t)
        fail_msg("%s: %s", path, e.text);
    scratch_remove(&s);
    text_free(&text);
    return t;
}

static void check_cases(Tokenizer *t, const char *cases)
{
    json_error_t why;
    Json j = {NULL, json_load_file(cases, JSON_ALLOW_NUL, &why)};
    assert_true(json_array_size(j.root) > 400);
    for (size_t i = 0; i < json_array_size(j.root); i++) {
        const json_t *o = json_array_get(j.root, i);
        const json_t *ids = json_object_get(o, "ids");
        tokens_check_ids(t, cases, i, json_object_get(o, "text"), ids);
        tokens_check_text(t, cases, i, ids, false, json_object_get(o, "decoded"));
        tokens_check_text(t, cases, i, ids, true, json_object_get(o, "clean"));
    }
    json_close(&j);
    tokenizer_close(t);
}

static void test_qwen2_form(void **state)
{
    (void)state;
    check_cases(open_copy("golden/text/qwen2.json"), "golden/text/qwen2-cases.json");
}

static void test_digits_form(void **state)
{
    (void)state;
    check_cases(open_copy("golden/text/digits.json"), "golden/text/digits-cases.json");
}

/* SmolVLM's, with the tags of tiles as added tokens and without. */
static void test_smolvlm_form(void **state)
{
    (void)state;
    static const char *const folders[] = {"weights/tiny-smolvlm-a", "weights/tiny-smolvlm-b"};
    static const char *const cases[] = {"golden/family/smolvlm/tokenizer-a.json",
                                        "golden/family/smolvlm/tokenizer-b.json"};
    for (int i = 0; i < 2; i++) {
        Error e = {0};
        Tokenizer *t = tokenizer_open(folders[i], &e);
        if (!t)
            fail_msg("%s", e.text);
        check_cases(t, cases[i]);
    }
}

static void check_class(const Json *j, const char *name, bool (*member)(int32_t))
{
    const json_t *ranges = json_object_get(j->root, name);
    size_t next = 0;
    assert_true(json_array_size(ranges) > 5);
    for (int32_t c = 0; c < 0x110000; c++) {
        const json_t *r = json_array_get(ranges, next);
        int64_t first = r ? json_integer_value(json_array_get(r, 0)) : 0x110000,
                last = r ? json_integer_value(json_array_get(r, 1)) : 0x110000;
        if (c >= 0xD800 && c < 0xE000)
            continue;
        if (member(c) != (c >= first && c <= last))
            fail_msg("U+%04X: %s differs; read src/text/unicode.c", (unsigned)c, name);
        next += c == last;
    }
}

static void test_classes_over_all_code_points(void **state)
{
    (void)state;
    Json j = open_json("golden/text/classes.json");
    check_class(&j, "letter", unicode_is_letter);
    check_class(&j, "number", unicode_is_number);
    check_class(&j, "space", unicode_is_space);
    json_close(&j);
}

static void test_long_runs(void **state)
{
    (void)state;
    static const char *const units[] = {"a", " ", ".", "\xE6\x95\xB0", "\xCC\xA3", "\n", "7", "ab1 "};
    static const char *const paths[] = {"golden/text/qwen2.json", "golden/text/digits.json"};
    for (size_t p = 0; p < 2; p++) {
        Tokenizer *t = open_copy(paths[p]);
        tokens_check_long_runs(t, units, sizeof units / sizeof *units);
        tokenizer_close(t);
    }
}

/* Each replaces `from` in the tokenizer's text by `to`; `expected` must stand in the message. */
static const struct {
    const char *from, *to, *expected;
} broken[] = {
    {"\"BPE\"", "\"Unigram\"", "Unigram"},
    {"\"NFC\"", "\"NFKC\"", "NFKC"},
    {"\"ByteLevel\",\"add_prefix_space\":false", "\"Metaspace\",\"add_prefix_space\":false", "Metaspace"},
    {"\"dropout\":null", "\"dropout\":0.1", "dropout"},
    {"\"unk_token\":null", "\"unk_token\":\"<unk>\"", "unk_token"},
    {"\"byte_fallback\":false", "\"byte_fallback\":true", "byte_fallback"},
    {"\"Isolated\"", "\"Removed\"", "Isolated"},
    {"\"use_regex\":false", "\"use_regex\":true", "ByteLevel with use_regex after Split"},
    {"\\\\p{N}|", "\\\\p{N}{1,3}|", "pre_tokenizer"},
    {"\"!\":0", "\"!\":-1", "model.vocab.!"},
    {"\"!\":0", "\"!\":1", "id 1"},
    {"\"!\":0", "\"!\":\"0\"", "model.vocab.!"},
    {"\"merges\":[[\"", "\"merges\":[[\"\xE2\x82\xAC", "merges[0]"},
    {"\"merges\":[[\"", "\"merges\":[[\"!\",\"\xE2\x82\xAC\"],[\"", "merges[0]"},
    {"\"merges\":[[", "\"merges\":[7,[", "merges[0]: wanted two tokens"},
    {"\"merges\":[[", "\"merges\":[[\"\",\"\"],[", "merges[0]: \"\" and \"\" or their union"},
    {"\"merges\":[[", "\"merges\":[[\"!\"],[", "merges[0]: wanted two tokens"},
    {"\"merges\":[[", "\"merges\":[[\"!\",null],[", "merges[0]: wanted two tokens"},
    {"\"merges\":[[", "\"merges\":[[null,\"!\"],[", "merges[0]: wanted two tokens"},
    {"\"merges\":[[", "\"merges\":[[\"!\",\"!\",\"!\"],[", "merges[0]: wanted two tokens"},
    {"\"merges\":[[", "\"merges\":[\"!!\",[", "merges[0]: wanted two tokens"},
    {"\"merges\":[[", "\"merges\":[\"! ! !\",[", "merges[0]: wanted two tokens"},
    {"\"merges\":[[", "\"merges\":[\"! !\",[", "merges[0]: \"!\" and \"!\" or their union"},
    {"\"id\":700", "\"id\":5", "added_tokens[0]"},
    {"\"id\":700", "\"id\":-5", "added_tokens[0]"},
    {"\"model\"", "\"modell\"", "model"},
    {"\"vocab\"", "\"vocabulary\"", "vocab"},
    {"\"merges\"", "\"merge\"", "merges"},
};

static void test_what_is_unknown_is_refused_by_name(void **state)
{
    (void)state;
    Scratch s;
    scratch_make(&s);
    Json j = open_json("golden/text/qwen2.json");
    char *text = json_dumps(j.root, JSON_COMPACT | JSON_ENSURE_ASCII);
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        const char *at = strstr(text, broken[i].from);
        if (!at)
            fail_msg("case %zu: %s does not stand in the file", i, broken[i].from);
        Text changed = {0};
        Error e = {0};
        text_format(&changed, &e, "%.*s%s%s", (int)(at - text), text, broken[i].to,
                    at + strlen(broken[i].from));
        must(&e);
        scratch_write(&s, "tokenizer.json", changed.data, changed.count);
        tokens_check_refused(&s, "tokenizer.json", broken[i].expected, i, "src/text/tokenizer_json.c");
        text_free(&changed);
    }
    free(text);
    json_close(&j);
    scratch_remove(&s);
}

/* A file cut anywhere is refused, never read as something shorter. */
static void test_cut_file(void **state)
{
    (void)state;
    Scratch s;
    Text text = {0};
    scratch_make(&s);
    read_text(&text, "golden/text/qwen2.json");
    for (size_t n = 0; n < text.count - 1; n += 1 + text.count / 150) {
        Error e = {0};
        scratch_write(&s, "tokenizer.json", text.data, n);
        assert_null(tokenizer_open(s.folder, &e));
        assert_int_equal(e.status, BAD_INPUT);
    }
    text_free(&text);
    scratch_remove(&s);
}

/* A tokenizer of seven tokens; %s: more of the model, added tokens. The ids below are those of the
 * tokenizers library 0.21.2. */
static const char tiny[] =
    "{\"model\":{\"vocab\":{\"a\":0,\"b\":1,\"c\":2,\"ab\":3,\"abc\":4,\"\\u0120\":5,\"\\u0120a\":6},"
    "\"merges\":[\"a b\",\"\\u0120 a\"]%s},\"added_tokens\":[%s],"
    "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false},\"decoder\":{\"type\":"
    "\"ByteLevel\"}}";

static Tokenizer *open_tiny(const char *more, const char *added)
{
    Scratch s;
    Text text = {0};
    Error e = {0};
    scratch_make(&s);
    text_format(&text, &e, tiny, more, added);
    scratch_write(&s, "tokenizer.json", text.data, text.count);
    Tokenizer *t = tokenizer_open(s.folder, &e);
    if (!t)
        fail_msg("%s", e.text);
    scratch_remove(&s);
    text_free(&text);
    return t;
}

static const struct {
    const char *more, *added, *text, *ids;
} tinies[] = {
    {"", "", "abc", "3 2 "},
    {",\"ignore_merges\":false", "", "abc", "3 2 "},
    {",\"ignore_merges\":true", "", "abc", "4 "},
    {",\"ignore_merges\":true", "", "abcb", "3 2 1 "},
    {"", "", "a ab", "0 5 3 "},
    {"", "", "a a", "0 6 "},
    {"", "", "azb", "3 "}, /* a byte without a token is as if it were not there */
    {"", "{\"id\":9,\"content\":\"<x>\"}", "a <x> b", "0 5 9 5 1 "},
    {"", "{\"id\":9,\"content\":\"<x>\",\"lstrip\":true}", "a \t<x> b", "0 9 5 1 "},
    {"", "{\"id\":9,\"content\":\"<x>\",\"lstrip\":true}", "<x> <x>", "9 9 "},
    {"", "{\"id\":9,\"content\":\"<x>\",\"rstrip\":true}",
     "a <x> \xE3\x80\x80"
     "b <x> ",
     "0 5 9 1 5 9 "},
    {"", "{\"id\":9,\"content\":\"<x>\",\"single_word\":true}", "a<x> <x>b <x> <x>", "0 5 1 5 9 5 9 "},
    {"", "{\"id\":9,\"content\":\"<x>\"},{\"id\":8,\"content\":\"<x><y>\"},{\"id\":7,\"content\":\"<\"}",
     "<x><y><x><", "8 9 7 "},
};

static void test_tiny(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof tinies / sizeof *tinies; i++) {
        Tokenizer *t = open_tiny(tinies[i].more, tinies[i].added);
        Error e = {0};
        Ids ids = {0};
        Text got = {0};
        tokenizer_encode(t, &ids, tinies[i].text, strlen(tinies[i].text), &e);
        text_add(&got, "", &e);
        for (int64_t k = 0; k < ids.count; k++)
            text_format(&got, &e, "%d ", (int)ids.data[k]);
        assert_int_equal(e.status, OK);
        if (strcmp(got.data, tinies[i].ids))
            fail_msg("case %zu (\"%s\"): ids %s, wanted %s; read src/text/tokenizer.c", i, tinies[i].text,
                     got.data, tinies[i].ids);
        ids_free(&ids);
        text_free(&got);
        tokenizer_close(t);
    }
}

static void test_names_and_sizes(void **state)
{
    (void)state;
    static const int32_t ids[] = {0, 9, 8, -1, 100, 6, 7};
    Tokenizer *t = open_tiny("", "");
    assert_int_equal(tokenizer_size(t), 7);
    tokenizer_close(t);
    t = open_tiny("", "{\"id\":9,\"content\":\"<x>\",\"special\":true},{\"id\":3,\"content\":\"ab\"}");
    assert_int_equal(tokenizer_size(t), 10);
    assert_int_equal(tokenizer_id(t, "<x>"), 9);
    assert_int_equal(tokenizer_id(t, "abc"), 4);
    assert_int_equal(tokenizer_id(t, "ab"), 3);
    assert_int_equal(tokenizer_id(t, " a"), 6); /* by its bytes */
    assert_int_equal(tokenizer_id(t, "ac"), -1);
    Text text = {0};
    Error e = {0};
    assert_int_equal(tokenizer_decode(t, &text, ids, 7, false, &e), OK);
    assert_string_equal(text.data, "a<x> a");
    text_clear(&text);
    assert_int_equal(tokenizer_decode(t, &text, ids, 7, true, &e), OK);
    assert_string_equal(text.data, "a a");
    text_free(&text);
    tokenizer_close(t);
}

static void test_ids(void **state)
{
    (void)state;
    Ids ids = {0};
    Error e = {0}, failed = {.status = FAILED, .text = "before"};
    for (int32_t i = 0; i < 100; i++) {
        assert_int_equal(ids_repeat(&ids, i, i % 5, &e), OK);
        assert_int_equal(ids_add(&ids, -i, &e), OK);
    }
    assert_int_equal(ids.count, 300);
    int64_t at = 0;
    for (int32_t i = 0; i < 100; i++) {
        for (int k = 0; k < i % 5; k++)
            assert_int_equal(ids.data[at + k], i);
        at += i % 5;
        assert_int_equal(ids.data[at], -i);
        at++;
    }
    assert_int_equal(ids_add(&ids, 1, &failed), FAILED);
    assert_int_equal(ids_repeat(&ids, 1, 0, &failed), FAILED);
    assert_int_equal(ids_reserve(&ids, 0, &failed), FAILED);
    assert_int_equal(ids.count, 300);
    ids_free(&ids);
}

static void test_no_file(void **state)
{
    (void)state;
    Scratch s;
    Error e = {0};
    scratch_make(&s);
    assert_null(tokenizer_open(s.folder, &e));
    assert_int_equal(e.status, BAD_INPUT);
    assert_non_null(strstr(e.text, scratch_path(&s, "tokenizer.json")));
    assert_non_null(strstr(e.text, "tokenizer.model"));
    assert_non_null(strstr(e.text, "arcade100k.tiktoken"));
    scratch_remove(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_qwen2_form),   cmocka_unit_test(test_digits_form),
        cmocka_unit_test(test_smolvlm_form), cmocka_unit_test(test_classes_over_all_code_points),
        cmocka_unit_test(test_long_runs),    cmocka_unit_test(test_what_is_unknown_is_refused_by_name),
        cmocka_unit_test(test_cut_file),     cmocka_unit_test(test_ids),
        cmocka_unit_test(test_tiny),         cmocka_unit_test(test_names_and_sizes),
        cmocka_unit_test(test_no_file),
    };
    return cmocka_run_group_tests_name("text/tokenizer", tests, NULL, NULL);
}
