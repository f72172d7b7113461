/* The published rules against Python: golden/mpa/rules.json by ref/golden_mpa.py. */
#include "base/json.h"
#include "data/match.h"
#include "mpa/reply.h"

#include <setjmp.h>
#include <stdarg.h>
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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_normalise), cmocka_unit_test(test_keep),
                                       cmocka_unit_test(test_parse)};
    return cmocka_run_group_tests(tests, load, unload);
}
