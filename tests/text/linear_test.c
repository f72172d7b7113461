/* Texts and tokenizers that take long where something is quadratic: src/text/unicode.c, src/text/added.c.
 * And that the order of combining marks, which is our own, is utf8proc's. */
#include "fixture/scratch.h"

#include "base/memory.h"
#include "base/text.h"
#include "base/utf8.h"
#include "text/tokenizer.h"
#include "text/unicode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <utf8proc.h>

#include <cmocka.h>

/* Far below what the square would take, far above what is needed, sanitizers included. */
static const double most_seconds = 5;

static double seconds_since(clock_t begin)
{
    return (double)(clock() - begin) / CLOCKS_PER_SEC;
}

static uint32_t next(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

/* Letters that compose, marks of several classes, marks that decompose, Hangul, compatibility forms. */
static const int32_t codes[] = {'a',    'e',     'o',     'A',    0xE9,   0x1EAD, 0x300,  0x301,
                                0x323,  0x327,   0x344,   0x345,  0xF73,  0xF71,  0xF72,  0x5B0,
                                0x64B,  0x1100,  0x1161,  0x11A8, 0xAC00, 0x212B, 0xFB1D, 0x3099,
                                0x304B, 0x1D15E, 0x1D165, 0x2ADC, 0xFB01, 0x340};

static void test_nfc(void **state)
{
    (void)state;
    uint32_t seed = 5;
    for (int i = 0; i < 20000; i++) {
        Text text = {0};
        Text got = {0};
        Error e = {0};
        const uint32_t length = next(&seed) % 12;
        for (uint32_t k = 0; k < length; k++) {
            char bytes[4];
            const int32_t code = next(&seed) % 3 ? codes[next(&seed) % (sizeof codes / sizeof *codes)]
                                                 : (int32_t)(next(&seed) % 0xD800);
            text_add_bytes(&text, bytes, (size_t)utf8_encode(code, bytes), &e);
        }
        assert_int_equal(unicode_nfc(&got, text_string(&text), text.count, &e), OK);
        utf8proc_uint8_t *want = NULL;
        const utf8proc_ssize_t n =
            utf8proc_map((const utf8proc_uint8_t *)text_string(&text), (utf8proc_ssize_t)text.count, &want,
                         UTF8PROC_STABLE | UTF8PROC_COMPOSE);
        assert_true(n >= 0);
        assert_int_equal(got.count, n);
        assert_memory_equal(got.data, want, (size_t)n);
        free(want);
        text_free(&text);
        text_free(&got);
    }
}

static void test_marks(void **state)
{
    (void)state;
    Text text = {0};
    Text got = {0};
    Error e = {0};
    text_add(&text, "a", &e);
    for (int i = 0; i < 50000; i++)
        text_add(&text, i % 2 ? "\xCC\xA3" : "\xCC\x81", &e); /* classes 230 and 220 */
    const clock_t begin = clock();
    assert_int_equal(unicode_nfc(&got, text.data, text.count, &e), OK);
    const double took = seconds_since(begin);
    print_message("  NFC of 100 kB of combining marks: %.2f s\n", took);
    assert_int_equal(got.count, 3 + 2 * (25000 - 1) + 2 * 25000); /* the first dot below joins the letter */
    assert_memory_equal(got.data, "\xE1\xBA\xA1\xCC\xA3\xCC\xA3", 7);
    assert_memory_equal(got.data + got.count - 4, "\xCC\x81\xCC\x81", 4);
    assert_true(took < most_seconds);
    text_free(&text);
    text_free(&got);
}

/* A tokenizer of one letter, and `count` added tokens <|aN|>. */
static Tokenizer *open_many(int count, double *took)
{
    Scratch s;
    Text text = {0};
    Error e = {0};
    scratch_make(&s);
    text_add(&text, "{\"model\":{\"vocab\":{\"a\":0,\"<\":1,\"|\":2},\"merges\":[]},\"added_tokens\":[", &e);
    for (int i = 0; i < count; i++)
        text_format(&text, &e, "%s{\"id\":%d,\"content\":\"<|a%d|>\"}", i ? "," : "", i + 3, i);
    text_add(&text,
             "],\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false},\"decoder\":{\"type\":"
             "\"ByteLevel\"}}",
             &e);
    scratch_write(&s, "tokenizer.json", text.data, text.count);
    const clock_t begin = clock();
    Tokenizer *t = tokenizer_open(s.folder, &e);
    *took = seconds_since(begin);
    if (!t)
        fail_msg("%s", e.text);
    scratch_remove(&s);
    text_free(&text);
    return t;
}

static void test_many_added(void **state)
{
    (void)state;
    double took;
    Tokenizer *t = open_many(60000, &took);
    print_message("  60,000 added tokens: %.2f s\n", took);
    assert_true(took < most_seconds);
    assert_int_equal(tokenizer_id(t, "<|a59999|>"), 60002);
    assert_int_equal(tokenizer_id(t, "<|a60000|>"), -1);
    Ids ids = {0};
    Text back = {0};
    Error e = {0};
    for (int32_t i = 0; i < 200000; i++)
        ids_add(&ids, 3 + i % 60000, &e);
    const clock_t begin = clock();
    tokenizer_decode(t, &back, ids.data, ids.count, false, &e);
    took = seconds_since(begin);
    print_message("  200,000 ids of them to text: %.2f s\n", took);
    assert_int_equal(e.status, OK);
    assert_true(took < most_seconds);
    text_free(&back);
    ids_free(&ids);
    tokenizer_close(t);
}

static void test_text_with_added(void **state)
{
    (void)state;
    enum { LONG = 1000000 };
    double took;
    Tokenizer *t = open_many(1000, &took);
    Text text = {0};
    Ids ids = {0};
    Error e = {0};
    while (text.count < LONG)
        text_add(&text, text.count % 7 ? "<|a" : "<|a12|><", &e);
    const clock_t begin = clock();
    tokenizer_encode(t, &ids, text.data, text.count, &e);
    took = seconds_since(begin);
    print_message("  1 MB of text with 1,000 added tokens: %.2f s\n", took);
    assert_int_equal(e.status, OK);
    assert_int_equal(ids.data[0], 15);
    assert_true(took < most_seconds);
    ids_free(&ids);
    text_free(&text);
    tokenizer_close(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_nfc), cmocka_unit_test(test_marks),
                                       cmocka_unit_test(test_many_added),
                                       cmocka_unit_test(test_text_with_added)};
    return cmocka_run_group_tests_name("text/linear", tests, NULL, NULL);
}
