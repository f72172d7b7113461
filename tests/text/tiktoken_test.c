/* arcade100k.tiktoken against tiktoken itself (golden/text by ref/golden_tokenizers.py), and files that
 * are broken. */
#include "fixture/must.h"
#include "fixture/scratch.h"
#include "fixture/tokens.h"

#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char golden[] = "golden/text/tiktoken.json";

static void read_ranks(Text *out)
{
    Error e = {0};
    if (file_read(out, "golden/text/arcade100k.tiktoken", 1 << 20, &e) != OK)
        fail_msg("%s", e.text);
}

static Tokenizer *open_golden(void)
{
    Error e = {0};
    Tokenizer *t = tokenizer_open("golden/text", &e);
    if (!t)
        fail_msg("%s", e.text);
    return t;
}

static void test_reference(void **state)
{
    (void)state;
    json_error_t why;
    json_t *root = json_load_file(golden, JSON_ALLOW_NUL, &why);
    Tokenizer *t = open_golden();
    tokens_check_lists(t, golden, root, 100, 40);
    tokenizer_close(t);
    json_decref(root);
}

/* The special tokens begin two behind the largest rank. */
static void test_names_and_sizes(void **state)
{
    (void)state;
    Tokenizer *t = open_golden();
    Text ranks = {0};
    int64_t lines = 0;
    read_ranks(&ranks);
    for (size_t i = 0; i < ranks.count; i++)
        lines += ranks.data[i] == '\n';
    assert_int_equal(tokenizer_id(t, "<|endoftext|>"), lines + 1);
    assert_int_equal(tokenizer_id(t, "<|im_end|>"), lines + 22);
    assert_int_equal(tokenizer_id(t, "<|extra0|>"), lines + 32);
    assert_int_equal(tokenizer_size(t), lines + 33);
    assert_int_equal(tokenizer_id(t, "<s>"), -1);
    text_free(&ranks);
    tokenizer_close(t);
}

static void test_long_runs(void **state)
{
    (void)state;
    static const char *const units[] = {"a", " ", "the ", "\xE6\x95\xB0", "\n", "7"};
    Tokenizer *t = open_golden();
    tokens_check_long_runs(t, units, sizeof units / sizeof *units);
    tokenizer_close(t);
}

/* Each replaces the first `from` in the file by `to`. The golden file begins "IQ== 0\nIg== 1\n". */
static const struct {
    const char *from, *to, *expected;
} broken[] = {
    {"IQ== 0", "IQ= 0", ":1: its token is not valid base64"},
    {"IQ== 0", "I*== 0", ":1: its token is not valid base64"},
    {"IQ== 0", "I=Q= 0", ":1: its token is not valid base64"},
    {"IQ== 0", "A=== 0", ":1: its token is not valid base64"},
    {"IQ== 0", "==== 0", ":1: its token is not valid base64"},
    {"IQ== 0", " 0", ":1: its token is not valid base64"},
    {"IQ== 0", "IQ==\t0", ":1: wanted a token in base64"},
    {"IQ== 0", "IQ==", ":1: wanted a token in base64"},
    {"IQ== 0", "IQ== ", ":1: wanted a token in base64"},
    {"IQ== 0", "IQ== -0", ":1: wanted a token in base64"},
    {"IQ== 0", "IQ== 0x", ":1: wanted a token in base64"},
    {"IQ== 0", "IQ== 0 ", ":1: wanted a token in base64"},
    {"IQ== 0", "IQ== 99999999999999999999999", ":1: wanted a token in base64"},
    {"IQ== 0", "IQ== 100000", ":1: rank 100000: wanted 0 to"},
    {"Ig== 1", "Ig== 0", ":2: its rank is another token's already"},
    {"Ig== 1", "IQ== 1", ":2: its token has a rank already"},
    {"Ig== 1\n", "", "wanted 0 to"},
    {"Ig== 1", "enp6enp6 1", "byte 0x22 is no token"},
};

static void test_broken_files(void **state)
{
    (void)state;
    Scratch s;
    Text ranks = {0};
    scratch_make(&s);
    read_ranks(&ranks);
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        Text changed = {0};
        Error e = {0};
        const char *at = strstr(ranks.data, broken[i].from);
        assert_non_null(at);
        text_format(&changed, &e, "%.*s%s%s", (int)(at - ranks.data), ranks.data, broken[i].to,
                    at + strlen(broken[i].from));
        must(&e);
        scratch_write(&s, "arcade100k.tiktoken", changed.data, changed.count);
        tokens_check_refused(&s, "arcade100k.tiktoken", broken[i].expected, i, "src/text/tiktoken.c");
        text_free(&changed);
    }
    text_free(&ranks);
    scratch_remove(&s);
}

static void test_long_token(void **state)
{
    (void)state;
    Scratch s;
    Text ranks = {0};
    Text line = {0};
    Error e = {0};
    scratch_make(&s);
    read_ranks(&ranks);
    for (int i = 0; i < 516; i += 3)
        text_add(&line, "QUFB", &e);
    text_format(&line, &e, " 0\n%s", strchr(ranks.data, '\n') + 1);
    must(&e);
    scratch_write(&s, "arcade100k.tiktoken", line.data, line.count);
    tokens_check_refused(&s, "arcade100k.tiktoken", "more than 512 bytes", 0, "src/text/tiktoken.c");
    text_free(&line);
    text_free(&ranks);
    scratch_remove(&s);
}

/* A file cut anywhere is refused, but where only the last line end or whole lines of merged tokens are
 * missing: those are other vocabularies. */
static void test_cut_file(void **state)
{
    (void)state;
    Scratch s;
    Text ranks = {0};
    scratch_make(&s);
    read_ranks(&ranks);
    for (size_t n = 0; n < ranks.count; n += 1 + n / 100) {
        Error e = {0};
        scratch_write(&s, "arcade100k.tiktoken", ranks.data, n);
        Tokenizer *t = tokenizer_open(s.folder, &e);
        bool whole_lines = ranks.data[n] == '\n' || !n || ranks.data[n - 1] == '\n';
        if (!whole_lines && t && e.status == OK)
            assert_true(ranks.data[n] >= '0' && ranks.data[n] <= '9');
        assert_true(e.status == OK || e.status == BAD_INPUT);
        tokenizer_close(t);
    }
    text_free(&ranks);
    scratch_remove(&s);
}

/* Empty lines, \r\n and a last line without an end are read as tiktoken reads them. */
static void test_line_ends(void **state)
{
    (void)state;
    Scratch s;
    Text ranks = {0}, changed = {0};
    Error e = {0};
    scratch_make(&s);
    read_ranks(&ranks);
    for (size_t i = 0; i + 1 < ranks.count; i++)
        text_add_bytes(&changed, ranks.data[i] == '\n' ? "\r\n\r\n\n" : ranks.data + i,
                       ranks.data[i] == '\n' ? 5 : 1, &e);
    scratch_write(&s, "arcade100k.tiktoken", changed.data, changed.count);
    Tokenizer *a = open_golden(), *b = tokenizer_open(s.folder, &e);
    assert_non_null(b);
    assert_int_equal(tokenizer_size(a), tokenizer_size(b));
    assert_int_equal(tokenizer_id(a, " the"), tokenizer_id(b, " the"));
    assert_true(tokenizer_id(a, " the") > 255);
    tokenizer_close(a);
    tokenizer_close(b);
    text_free(&ranks);
    text_free(&changed);
    scratch_remove(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference),  cmocka_unit_test(test_names_and_sizes),
        cmocka_unit_test(test_long_runs),  cmocka_unit_test(test_broken_files),
        cmocka_unit_test(test_long_token), cmocka_unit_test(test_cut_file),
        cmocka_unit_test(test_line_ends),
    };
    return cmocka_run_group_tests_name("text/tiktoken", tests, NULL, NULL);
}
