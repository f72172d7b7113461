/* Base64 against the examples of RFC 4648. */
#include "base/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_examples(void **state)
{
    (void)state;
    static const char *const wanted[] = {"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
    Error e = {0};
    for (size_t n = 0; n < sizeof wanted / sizeof *wanted; n++) {
        Text t = {0};
        assert_int_equal(base64_add(&t, "foobar", n, &e), OK);
        assert_string_equal(text_string(&t), wanted[n]);
        text_free(&t);
    }
    Text t = {0};
    assert_int_equal(base64_add(&t, "\xFB\xFF\xBF\x00", 4, &e), OK);
    assert_string_equal(text_string(&t), "+/+/AA==");
    text_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_examples)};
    return cmocka_run_group_tests_name("base/base64", tests, NULL, NULL);
}
