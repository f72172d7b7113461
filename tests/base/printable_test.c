/* What may reach a terminal: src/base/printable.c. */
#include "base/printable.h"

#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void check(const char *text, const char *wanted)
{
    char copy[200];
    strcpy(copy, text);
    make_printable(copy, false);
    assert_string_equal(copy, wanted);
}

static void test_make_printable(void **state)
{
    (void)state;
    check("plain, \xC3\xA9, \xE6\xBC\xA2, \xF0\x9F\x98\x80",
          "plain, \xC3\xA9, \xE6\xBC\xA2, \xF0\x9F\x98\x80");
    check("a\x1b[31mb\a\b\r\n\t\x7f", "a?[31mb??????");
    check("\xC2\x9B"
          "31m \xC2\x85",
          "?31m ?");                                                               /* C1: CSI, NEL */
    check("\xE2\x80\xAE evil \xE2\x81\xA6 \xD8\x9C \xE2\x80\x8F", "? evil ? ? ?"); /* direction */
    check("\xE2\x80\xA8\xE2\x80\xA9", "??");                                       /* separators */
    check("\x9B"
          "31m \xC0\x9B \xFF",
          "?31m ?? ?"); /* no UTF-8: a terminal of 8 bits takes 9B for CSI */
    check("", "");
    char lines[] = "a\n\tb\r\x1b";
    make_printable(lines, true);
    assert_string_equal(lines, "a\n\tb??");
}

/* Longer than the buffer that needs no memory. */
static void test_printf(void **state)
{
    (void)state;
    char long_text[5000];
    memset(long_text, 'x', sizeof long_text);
    long_text[sizeof long_text - 1] = 0;
    long_text[4000] = 27;
    FILE *f = tmpfile();
    assert_non_null(f);
    printable_printf(f, "%s\n", long_text);
    assert_int_equal(ftell(f), 5000);
    rewind(f);
    assert_int_equal(fread(long_text, 1, sizeof long_text, f), 5000);
    assert_int_equal(long_text[4000], '?');
    assert_int_equal(long_text[3999], 'x');
    assert_int_equal(long_text[4999], '\n');
    fclose(f);
}

static void test_errors(void **state)
{
    (void)state;
    Error e = {0};
    error_set(&e, FAILED, "%s", "a\x1b\n\xC2\x9B \xE2\x80\xAE");
    assert_string_equal(e.text, "a??? ?");
    error_prefix(&e, "%s", "b\r");
    assert_string_equal(e.text, "b?: a??? ?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_make_printable), cmocka_unit_test(test_printf),
                                       cmocka_unit_test(test_errors)};
    return cmocka_run_group_tests_name("base/printable", tests, NULL, NULL);
}
