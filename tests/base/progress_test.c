/* Progress where standard error is no terminal: src/base/progress.c. */
#include "fixture/capture.h"

#include "base/progress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* No line is redrawn, and within 10 s only the last one is written. */
static void test_progress(void **state)
{
    (void)state;
    Capture c;
    Log l;
    Progress p;
    capture_begin(&c);
    log_init(&l, false, false);
    progress_begin(&p, &l, "work", 2, 5);
    for (int64_t done = 3; done <= 5; done++)
        progress_show(&p, done, "a note");
    progress_end(&p);
    const char *text = capture_end(&c);
    assert_memory_equal(text, "work 5/5  ", 10);
    assert_non_null(strstr(text, "a note\n"));
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
    assert_null(strpbrk(text, "\r\x1b"));
}

static void test_quiet_progress(void **state)
{
    (void)state;
    Capture c;
    Log l;
    Progress p;
    capture_begin(&c);
    log_init(&l, true, false);
    progress_begin(&p, &l, "work", 0, 1);
    progress_show(&p, 1, NULL);
    progress_inside(0.5, "note");
    progress_end(&p);
    assert_string_equal(capture_end(&c), "");
}

/* Work that says nothing itself. */
static void keep_busy(double seconds)
{
    const double end = clock_seconds() + seconds;
    while (clock_seconds() < end)
        continue;
}

static int count_of(const char *text, const char *part)
{
    int n = 0;
    for (const char *p = strstr(text, part); p; p = strstr(p + 1, part))
        n++;
    return n;
}

/* However long the work is silent, the line that stands is written again, with the seconds so far. */
static void test_silent_work(void **state)
{
    (void)state;
    Capture c;
    Log l;
    Progress p;
    capture_begin(&c);
    log_init(&l, false, false);
    l.pause = 1;
    progress_begin(&p, &l, "work", 2, 5);
    keep_busy(1.2);
    progress_inside(0.5, "half of it");
    keep_busy(2.3);
    progress_end(&p);
    keep_busy(1.2); /* nobody is shown any more */
    const char *text = capture_end(&c);
    assert_int_equal(count_of(text, "\n"), 4);
    const char *first = strstr(text, "work 2/5  ");
    assert_ptr_equal(first, text);
    assert_non_null(strstr(text, " MiB  1 s so far\n"));
    assert_int_equal(count_of(text, "half of it"), 3);
    assert_non_null(strstr(text, "half of it  3 s so far\n"));
    assert_int_equal(count_of(text, "/s  left "), 3); /* rate and time left, from the half */
}

/* A work within another: the inner one is shown, then the outer one again; no total, no rate. */
static void test_nested(void **state)
{
    (void)state;
    Capture c;
    Log l;
    Progress outer;
    Progress inner;
    capture_begin(&c);
    log_init(&l, false, false);
    l.pause = 1;
    progress_begin(&outer, &l, "stage", 0, 0);
    progress_begin(&inner, &l, "part", 0, 9);
    keep_busy(1.2);
    progress_end(&inner);
    keep_busy(1.2);
    progress_end(&outer);
    const char *text = capture_end(&c);
    assert_int_equal(count_of(text, "\n"), 2);
    assert_memory_equal(text, "part 0/9  ", 10);
    assert_non_null(strstr(text, "\nstage  "));
    assert_int_equal(count_of(text, "/s  "), 0);
}

/* Without a work there is nothing to tell. */
static void test_no_work(void **state)
{
    (void)state;
    Capture c;
    capture_begin(&c);
    progress_inside(0.5, "note");
    assert_string_equal(capture_end(&c), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_progress), cmocka_unit_test(test_quiet_progress),
                                       cmocka_unit_test(test_silent_work), cmocka_unit_test(test_nested),
                                       cmocka_unit_test(test_no_work)};
    return cmocka_run_group_tests_name("base/progress", tests, NULL, NULL);
}
