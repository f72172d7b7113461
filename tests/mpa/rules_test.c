/* The published rules against Python: golden/mpa/rules.json by ref/golden_mpa.py, and all code points:
 * golden/mpa/characters.json by ref/golden_characters.py. */
#include "base/hash.h"
#include "base/json.h"
#include "base/utf8.h"
#include "data/match.h"
#include "mpa/reply.h"
#include "text/unicode_python.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static Json rules;

static int load(void **state)
{
    (void)state;
    Error e = {0};
    return json_open(&rules, "golden/mpa/rules.json", 1 << 26, &e) == OK ? 0 : -1;
}

static int unload(void **state)
{
    (void)state;
    json_close(&rules);
    return 0;
}

static void normalise(Text *out, const char *s)
{
    Error e = {0};
    text_clear(out);
    assert_int_equal(match_normalise(out, s, &e), OK);
}

/* Covers every character that Python's Unicode tables know. A text that stays as it is has no "norm". */
static void test_normalise(void **state)
{
    (void)state;
    const json_t *list = json_object_get(rules.root, "norm");
    Text out = {0};
    assert_true(json_array_size(list) > 2000);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *o = json_array_get(list, i);
        const char *text = json_string_value(json_object_get(o, "text"));
        const json_t *norm = json_object_get(o, "norm");
        const char *want = norm ? json_string_value(norm) : text;
        normalise(&out, text);
        if (strcmp(text_string(&out), want))
            fail_msg("case %zu: \"%s\", Python has \"%s\"; read src/data/match.c", i, text_string(&out),
                     want);
    }
    text_free(&out);
}

static void test_keep(void **state)
{
    (void)state;
    const json_t *list = json_object_get(rules.root, "keep");
    Text text[3] = {{0}, {0}, {0}};
    int kept = 0;
    assert_true(json_array_size(list) > 200);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *o = json_array_get(list, i);
        for (size_t k = 0; k < 3; k++)
            normalise(text + k, json_string_value(json_array_get(o, k)));
        bool want = json_is_true(json_array_get(o, 3));
        if (match_keep(text_string(text), text_string(text + 1), text_string(text + 2)) != want)
            fail_msg("case %zu: Python %s it; read src/data/match.c", i, want ? "keeps" : "drops");
        kept += want;
    }
    assert_true(kept > 3);
    for (size_t k = 0; k < 3; k++)
        text_free(text + k);
}

static bool same(const char *got, const json_t *want)
{
    return got ? json_is_string(want) && !strcmp(got, json_string_value(want)) : json_is_null(want);
}

static void test_parse(void **state)
{
    (void)state;
    const json_t *list = json_object_get(rules.root, "parse");
    assert_true(json_array_size(list) > 500);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *o = json_array_get(list, i);
        char *question, *answer;
        Error e = {0};
        assert_int_equal(reply_parse(json_string_value(json_object_get(o, "text")), &question, &answer, &e),
                         OK);
        if (!same(question, json_object_get(o, "question")) || !same(answer, json_object_get(o, "answer")))
            fail_msg("case %zu: \"%s\" gives question \"%s\" and answer \"%s\"; read src/mpa/reply.c", i,
                     json_string_value(json_object_get(o, "text")), question ? question : "(none)",
                     answer ? answer : "(none)");
        free(question);
        free(answer);
    }
}

/* Goes on with the hash by what is left of the character between each pair of the contexts. */
static uint64_t hash_in_contexts(uint64_t h, int32_t code, const json_t *contexts, Text *text, Text *out)
{
    Error e = {0};
    char bytes[4];
    const size_t count = (size_t)utf8_encode(code, bytes);
    for (size_t i = 0; i < json_array_size(contexts); i++) {
        const json_t *around = json_array_get(contexts, i);
        text_clear(text);
        text_add(text, json_string_value(json_array_get(around, 0)), &e);
        text_add_bytes(text, bytes, count, &e);
        text_add(text, json_string_value(json_array_get(around, 1)), &e);
        normalise(out, text_string(text));
        h = hash_text(h, text_string(out));
    }
    return h;
}

/* Each code point, alone and around final sigma. */
static void test_all_code_points(void **state)
{
    (void)state;
    Error e = {0};
    Json j = {0};
    Text text = {0};
    Text out = {0};
    assert_int_equal(json_open(&j, "golden/mpa/characters.json", 1 << 20, &e), OK);
    const json_t *contexts = json_object_get(j.root, "contexts");
    const json_t *hashes = json_object_get(j.root, "hashes");
    const int32_t block = (int32_t)json_integer_value(json_object_get(j.root, "block"));
    assert_int_equal(json_array_size(contexts), 5);
    assert_int_equal((int32_t)json_array_size(hashes) * block, 0x110000);
    for (int32_t first = 0; first < 0x110000; first += block) {
        char got[17];
        uint64_t h = HASH_START;
        for (int32_t c = first + (first == 0); c < first + block; c++)
            if (c < 0xD800 || c >= 0xE000)
                h = hash_in_contexts(h, c, contexts, &text, &out);
        snprintf(got, sizeof got, "%016llx", (unsigned long long)h);
        if (strcmp(got, json_string_value(json_array_get(hashes, (size_t)(first / block)))))
            fail_msg("U+%04X to U+%04X: Python differs; read src/text/unicode_python.c", (unsigned)first,
                     (unsigned)(first + block - 1));
    }
    text_free(&text);
    text_free(&out);
    json_close(&j);
}

/* Digits of all scripts, and the characters that upper case makes longer. */
static void test_digits_and_lengths(void **state)
{
    (void)state;
    Error e = {0};
    Json j = {0};
    assert_int_equal(json_open(&j, "golden/mpa/characters.json", 1 << 20, &e), OK);
    const json_t *zeros = json_object_get(j.root, "digits");
    const json_t *longer = json_object_get(j.root, "upper");
    size_t zero = 0;
    size_t next = 0;
    assert_true(json_array_size(zeros) > 50 && json_array_size(longer) > 90);
    for (int32_t c = 0; c < 0x110000; c++) {
        const int32_t from = (int32_t)json_integer_value(json_array_get(zeros, zero));
        const json_t *row = json_array_get(longer, next);
        const bool is_longer = json_integer_value(json_array_get(row, 0)) == c;
        const int wanted = is_longer && c ? (int)json_integer_value(json_array_get(row, 1)) : 1;
        if (python_digit(c) != (from && c >= from && c < from + 10 ? c - from : -1) ||
            python_upper_length(c) != wanted)
            fail_msg("U+%04X: Python differs; read src/text/unicode_python.c", (unsigned)c);
        zero += from && c == from + 9;
        next += wanted > 1;
    }
    json_close(&j);
}

/* Which characters stand for a letter of "Question:" or "Answer:". Beyond plane 1 none has case. */
static void check_letter(const char *word, size_t at, const char *same)
{
    for (int32_t c = 1; c < 0x20000; c++) {
        char *found[2];
        char bytes[5] = {0};
        char text[40];
        Error e = {0};
        if (c >= 0xD800 && c < 0xE000)
            continue;
        utf8_encode(c, bytes);
        snprintf(text, sizeof text, "%.*s%s%s x?", (int)at, word, bytes, word + at + 1);
        reply_parse(text, found, found + 1, &e);
        if ((found[0] || found[1]) != (strstr(same, bytes) != NULL))
            fail_msg("%s: U+%04X is taken otherwise by Python; read src/mpa/reply.c", text, (unsigned)c);
        free(found[0]);
        free(found[1]);
    }
}

static void test_letters(void **state)
{
    (void)state;
    static const char *const words[] = {"Question:", "Answer:"};
    Error e = {0};
    Json j = {0};
    assert_int_equal(json_open(&j, "golden/mpa/characters.json", 1 << 20, &e), OK);
    for (int w = 0; w < 2; w++)
        for (size_t i = 0; words[w][i] != ':'; i++) {
            const char letter[] = {(char)(words[w][i] | 32), 0};
            const json_t *same = json_object_get(json_object_get(j.root, "letters"), letter);
            assert_non_null(same);
            check_letter(words[w], i, json_string_value(same));
        }
    json_close(&j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_normalise),
                                       cmocka_unit_test(test_keep),
                                       cmocka_unit_test(test_parse),
                                       cmocka_unit_test(test_all_code_points),
                                       cmocka_unit_test(test_digits_and_lengths),
                                       cmocka_unit_test(test_letters)};
    return cmocka_run_group_tests(tests, load, unload);
}
