/* Byte strings, UTF-8, words and hashes: src/base/text.c, utf8.c, word.c, hash.c. */
#include "base/bytes.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "base/word.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Every length of what is there meets every length of what is added. */
static void test_growing(void **state)
{
    (void)state;
    enum { LONG = 140 };
    char letters[LONG + 1];
    Error e = {0};
    memset(letters, 'x', LONG);
    letters[LONG] = 0;
    for (int first = 0; first <= LONG; first++)
        for (int more = 0; more <= LONG; more += 1 + first % 2) {
            Text t = {0};
            assert_int_equal(text_add_bytes(&t, letters, (size_t)first, &e), OK);
            assert_int_equal(t.data[t.count], 0);
            assert_int_equal(text_format(&t, &e, "%.*s", more, letters), OK);
            assert_int_equal(t.count, first + more);
            assert_int_equal(t.data[t.count], 0);
            assert_int_equal(strspn(t.data, "x"), t.count);
            assert_true(t.count < t.capacity);
            text_free(&t);
        }
}

/* "" is added too: the string is there afterwards, and nothing failed. */
static void test_empty(void **state)
{
    (void)state;
    Error e = {0};
    Text t = {0};
    assert_string_equal(text_string(&t), "");
    assert_int_equal(text_format(&t, &e, "%s", ""), OK);
    assert_non_null(t.data);
    assert_string_equal(t.data, "");
    text_free(&t);
    assert_int_equal(text_add(&t, "", &e), OK);
    assert_string_equal(t.data, "");
    assert_int_equal(text_add_bytes(&t, "a\0b", 3, &e), OK);
    assert_int_equal(t.count, 3);
    assert_memory_equal(t.data, "a\0b", 4);
    text_clear(&t);
    assert_int_equal(t.count, 0);
    assert_string_equal(t.data, "");
    text_free(&t);
    text_clear(&t);
    assert_int_equal(e.status, OK);
}

/* What cannot be is an error, and the text stays. */
static void test_too_much(void **state)
{
    (void)state;
    Text t = {0};
    Error e = {0};
    assert_int_equal(text_add(&t, "abc", &e), OK);
    assert_int_equal(text_add_bytes(&t, "x", SIZE_MAX - 10, &e), NO_MEMORY);
    assert_string_equal(t.data, "abc");
    text_free(&t);
}

static void test_code_points(void **state)
{
    (void)state;
    for (int32_t c = 0; c < 0x110000; c++) {
        char bytes[4];
        if (c >= 0xD800 && c < 0xE000)
            continue;
        int count = utf8_encode(c, bytes), used;
        int length = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        if (count != length || utf8_decode(bytes, bytes + count, &used) != c || used != count)
            fail_msg("U+%04X; read src/base/utf8.c", (unsigned)c);
        /* cut off, it is one maximal subpart */
        for (int n = 1; n < count; n++)
            if (utf8_decode(bytes, bytes + n, &used) >= 0 || used != n)
                fail_msg("U+%04X cut to %d bytes; read src/base/utf8.c", (unsigned)c, n);
    }
}

/* Maximal subparts, as the Unicode standard counts them (section 3.9, tables 3-8 to 3-11). */
static void test_repair(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *wanted; /* . stands for U+FFFD */
    } cases[] = {
        {"a\xC3\xA9", "a\xC3\xA9"},
        {"\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41", "........A"},
        {"\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41", "........A"},
        {"\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42", ".....A..B"},
        {"\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41", "....A"},
        {"\xC1\xBF\xC2\xF5\x80", "....."},
        {"\xF4\x8F\xBF\xBF", "\xF4\x8F\xBF\xBF"},
        {"\xF4\x90\x80\x80", "...."},
        {"\xE0\x9F\xBF\xE0\xA0\x80", "...\xE0\xA0\x80"},
        {"\xED\x9F\xBF\xF0\x8F\xBF\xBF\xF0\x90\x80\x80", "\xED\x9F\xBF....\xF0\x90\x80\x80"},
        {"\x80\xBFz\xE2\x82", "..z."},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Text got = {0}, want = {0};
        Error e = {0};
        for (const char *p = cases[i].wanted; *p; p++)
            if (*p == '.')
                text_add(&want, "\xEF\xBF\xBD", &e);
            else
                text_add_bytes(&want, p, 1, &e);
        assert_int_equal(utf8_repair(&got, cases[i].bytes, strlen(cases[i].bytes), &e), OK);
        if (strcmp(got.data, want.data))
            fail_msg("case %zu; read src/base/utf8.c", i);
        text_free(&got);
        text_free(&want);
    }
}

static void test_endings(void **state)
{
    (void)state;
    assert_true(ends_with("a.txt", ".txt") && ends_with(".txt", ".txt") && ends_with("a", ""));
    assert_false(ends_with("a.TXT", ".txt") || ends_with("txt", ".txt") || ends_with("a.txt.gz", ".txt"));
    assert_true(ends_with_any_case("a.JpG", ".jPg") && ends_with_any_case("", ""));
    assert_false(ends_with_any_case("a.jpeg", ".jpg") || ends_with_any_case("pg", ".jpg"));
}

static int64_t distance(const char *a, const char *b)
{
    int32_t x[20], y[20];
    int64_t row[21], n = (int64_t)strlen(a), m = (int64_t)strlen(b);
    for (int64_t i = 0; i < n; i++)
        x[i] = a[i];
    for (int64_t i = 0; i < m; i++)
        y[i] = b[i];
    assert_int_equal(edit_distance(x, n, y, m, row), edit_distance(y, m, x, n, row));
    return edit_distance(x, n, y, m, row);
}

static void test_distance(void **state)
{
    (void)state;
    assert_int_equal(distance("", ""), 0);
    assert_int_equal(distance("", "abc"), 3);
    assert_int_equal(distance("kitten", "sitting"), 3);
    assert_int_equal(distance("saturday", "sunday"), 3);
    assert_int_equal(distance("ab", "ba"), 2);
    assert_int_equal(distance("abcdef", "bcdefa"), 2);
    assert_int_equal(distance("abc", "xyz"), 3);
}

static void test_nearest_word(void **state)
{
    (void)state;
    static const char *const words[] = {"annotate", "identify", "level", "ask", NULL};
    assert_string_equal(nearest_word("anotate", words), "annotate");
    assert_string_equal(nearest_word("indentify", words), "identify");
    assert_string_equal(nearest_word("lebel", words), "level");
    assert_string_equal(nearest_word("leve1s", words), "level");
    assert_string_equal(nearest_word("as", words), "ask");
    assert_null(nearest_word("leaves1", words));
    assert_null(nearest_word("report", words));
    assert_null(nearest_word("", words));
    static const char *const short_words[] = {"ab", "abcd", NULL};
    assert_null(nearest_word("xy", short_words));                /* not one letter of it is right */
    assert_string_equal(nearest_word("abc", short_words), "ab"); /* the first of equals */
}

/* Words are compared up to 40 bytes; longer ones are near to nothing. */
static void test_long_words(void **state)
{
    (void)state;
    static const char forty[] = "0123456789012345678901234567890123456789";
    static const char more[] = "01234567890123456789012345678901234567890";
    const char *const words[] = {more, forty, NULL};
    assert_ptr_equal(nearest_word(forty, words), forty);
    assert_null(nearest_word(more, words));
}

static void test_numbers(void **state)
{
    (void)state;
    static const char *const bad[] = {"", " 1", "\t1", "1 ", "1x", "0x", "--1", "99999999999999999999", NULL};
    int64_t i;
    double d;
    assert_true(parse_integer("-42", &i) && i == -42);
    assert_true(parse_integer("9223372036854775807", &i) && i == INT64_MAX);
    for (int k = 0; bad[k]; k++)
        assert_false(parse_integer(bad[k], &i));
    assert_true(parse_real("1e-5", &d) && d > 0.99e-5 && d < 1.01e-5);
    static const char *const not_real[] = {"", "1,5", "nan", "inf", "1e999", " 2", "\n2", "2 ", NULL};
    for (int k = 0; not_real[k]; k++)
        assert_false(parse_real(not_real[k], &d));
}

/* The published values of FNV-1a, and that nothing runs together. */
static void test_hash(void **state)
{
    (void)state;
    assert_true(hash_bytes(HASH_START, "", 0) == UINT64_C(0xcbf29ce484222325));
    assert_true(hash_bytes(HASH_START, "a", 1) == UINT64_C(0xaf63dc4c8601ec8c));
    assert_true(hash_bytes(HASH_START, "foobar", 6) == UINT64_C(0x85944171f73967e8));
    assert_true(hash_text(hash_text(HASH_START, "ab"), "c") != hash_text(hash_text(HASH_START, "a"), "bc"));
    assert_true(hash_text(HASH_START, "a") == hash_bytes(HASH_START, "a\0", 2));
    /* one word, then the rest by bytes; at any address */
    char bytes[] = "-0123456789abcdefgh";
    const uint64_t prime = UINT64_C(0x100000001B3);
    uint64_t one = (HASH_START ^ UINT64_C(0x3736353433323130)) * prime;
    one ^= one >> 32;
    uint64_t two = (one ^ UINT64_C(0x6665646362613938)) * prime;
    two ^= two >> 32;
    assert_true(hash_words(HASH_START, bytes + 1, 8) == one);
    assert_true(hash_words(HASH_START, bytes + 1, 16) == two);
    assert_true(hash_words(HASH_START, bytes + 1, 18) == hash_bytes(two, "gh", 2));
    /* the signs of two numbers, each the highest bit of its word */
    char signs[16] = {0};
    const uint64_t plain = hash_words(HASH_START, signs, 16);
    signs[7] = signs[15] = (char)0x80;
    assert_true(hash_words(HASH_START, signs, 16) != plain);
}

static void test_bytes(void **state)
{
    (void)state;
    unsigned char b[9] = {0xFF, 1, 2, 3, 4, 5, 6, 7, 0xF8};
    assert_true(load_u64(b + 1) == UINT64_C(0xF807060504030201));
    assert_int_equal(load_big16(b), 0xFF01);
    assert_true(load_big32(b) == 0xFF010203u);
    store_u64(b + 1, UINT64_C(0x0102030405060708));
    assert_memory_equal(b, "\xFF\x08\x07\x06\x05\x04\x03\x02\x01", 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_growing),    cmocka_unit_test(test_empty),
        cmocka_unit_test(test_too_much),   cmocka_unit_test(test_code_points),
        cmocka_unit_test(test_repair),     cmocka_unit_test(test_endings),
        cmocka_unit_test(test_distance),   cmocka_unit_test(test_nearest_word),
        cmocka_unit_test(test_long_words), cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_hash),       cmocka_unit_test(test_bytes),
    };
    return cmocka_run_group_tests_name("base/text", tests, NULL, NULL);
}
