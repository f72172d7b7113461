/* Command line options: src/base/options.c. */
#include "base/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { MAX = 10 };

/* What a parse found. */
typedef struct {
    const char *model, *images[LIST_CAPACITY];
    int64_t n_images;
    bool greedy;
    char *arguments[MAX];
    int count;
    Error e;
} Parsed;

static Status parse(Parsed *p, const char *const *arguments)
{
    static char store[MAX][40];
    *p = (Parsed){0};
    for (; arguments[p->count]; p->count++)
        p->arguments[p->count] = strcpy(store[p->count], arguments[p->count]);
    const Option options[] = {
        {.name = "model", .takes_value = true, .value = &p->model},
        {.name = "image", .takes_value = true, .list = p->images, .list_count = &p->n_images},
        {.name = "greedy", .given = &p->greedy},
        {0}};
    return options_parse(options, p->arguments, &p->count, &p->e);
}

#define PARSE(p, ...) parse(&(p), (const char *const[]){__VA_ARGS__, NULL})

static void test_forms(void **state)
{
    (void)state;
    Parsed p;
    assert_int_equal(PARSE(p, "x", "--model", "m", "y", "--image=a", "--greedy", "--image", "b=c"), OK);
    assert_string_equal(p.model, "m");
    assert_int_equal(p.n_images, 2);
    assert_string_equal(p.images[0], "a");
    assert_string_equal(p.images[1], "b=c");
    assert_true(p.greedy);
    assert_int_equal(p.count, 2);
    assert_string_equal(p.arguments[0], "x");
    assert_string_equal(p.arguments[1], "y");
    assert_int_equal(PARSE(p, "--model=", "--", "--greedy", "-"), OK);
    assert_string_equal(p.model, "");
    assert_false(p.greedy);
    assert_int_equal(p.count, 2);
    assert_string_equal(p.arguments[0], "--greedy");
    assert_string_equal(p.arguments[1], "-");
    assert_int_equal(PARSE(p, "--model", "--greedy"), OK); /* a value may look like an option */
    assert_string_equal(p.model, "--greedy");
}

static void test_refused(void **state)
{
    (void)state;
    Parsed p;
    assert_int_equal(PARSE(p, "--modle", "m"), BAD_USAGE);
    assert_non_null(strstr(p.e.text, "did you mean --model?"));
    assert_int_equal(PARSE(p, "--zzz"), BAD_USAGE);
    assert_null(strstr(p.e.text, "did you mean"));
    assert_int_equal(PARSE(p, "--model"), BAD_USAGE);
    assert_int_equal(PARSE(p, "--greedy=1"), BAD_USAGE);
    assert_int_equal(PARSE(p, "-m", "m"), BAD_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_forms), cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests_name("base/options", tests, NULL, NULL);
}
