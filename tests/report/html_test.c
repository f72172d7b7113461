/* What strangers write stands in a page as text. Where a case fails, read src/report/html.c. */
#include "report/html.h"

#include "fixture/must.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void is_written(const char *words, int64_t most, const char *wanted)
{
    Error e = {0};
    Text out = {0};
    assert_int_equal(html_clipped(&out, words, most, &e), OK);
    assert_string_equal(text_string(&out), wanted);
    text_free(&out);
}

static void test_escapes(void **state)
{
    (void)state;
    is_written("a < b & c > \"d\" 'e'", 100, "a &lt; b &amp; c &gt; &quot;d&quot; &#39;e&#39;");
    is_written("&lt;", 100, "&amp;lt;");
    is_written("one\ntwo\tthree", 100, "one two three");
    is_written("\x1b[31m\r\x7f", 100, "[U+001B][31m[U+000D][U+007F]");
    is_written("\xE2\x80\xAE"
               "evil\xE2\x81\xA6",
               100, "[U+202E]evil[U+2066]");
    is_written("\xC2\x85\xE2\x80\xA8", 100, "[U+0085][U+2028]");
    is_written("\xC0\xBC\xFF", 100, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
    is_written("M\xC3\xBCnchen \xF0\x9F\x8F\x81", 100, "M\xC3\xBCnchen \xF0\x9F\x8F\x81");
    is_written(NULL, 100, "");
}

static void test_clips_between_code_points(void **state)
{
    (void)state;
    is_written("\xC3\xBC\xC3\xBC\xC3\xBC", 2, "\xC3\xBC\xC3\xBC\xE2\x80\xA6");
    is_written("<<", 1, "&lt;\xE2\x80\xA6");
    is_written("ab", 2, "ab");
}

static void test_counts(void **state)
{
    static const struct {
        int64_t count;
        const char *wanted;
    } cases[] = {{0, "0"},          {999, "999"},  {1000, "1,000"}, {1234567, "1,234,567"},
                 {-1000, "-1,000"}, {-100, "-100"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Error e = {0};
        Text out = {0};
        html_count(&out, cases[i].count, &e);
        assert_string_equal(text_string(&out), cases[i].wanted);
        text_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_clips_between_code_points),
        cmocka_unit_test(test_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
