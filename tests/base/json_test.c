/* Reading fields of JSON files: src/base/json.c. */
#include "fixture/scratch.h"

#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 10000 };

static Status open_text(Json *j, const char *text, Error *e)
{
    Scratch s;
    scratch_make(&s);
    Status status = json_open(j, scratch_write(&s, "file.json", text, strlen(text)), MOST, e);
    scratch_remove(&s);
    return status;
}

static void refused(const char *text, const char *why)
{
    Json j;
    Error e = {0};
    if (open_text(&j, text, &e) != BAD_INPUT || !strstr(e.text, why) || !strstr(e.text, "file.json"))
        fail_msg("%s: status %d, \"%s\", which does not say \"%s\"", text, (int)e.status, e.text, why);
    assert_null(j.root);
    json_close(&j);
}

static void test_open(void **state)
{
    (void)state;
    Json j;
    Error e = {0};
    refused("{\"a\": 1, \"a\": 2}", "file.json:1: not valid JSON");
    refused("{}\n x", "file.json:2: not valid JSON");
    refused("{\"a\": NaN}", "not valid JSON");
    refused("", "not valid JSON");
    assert_int_equal(open_text(&j, "\xEF\xBB\xBF[1]", &e), OK); /* a byte order mark */
    assert_int_equal(json_array_size(j.root), 1);
    json_close(&j);
    assert_int_equal(open_text(&j, "7", &e), OK);
    json_close(&j);
    char large[MOST + 2];
    memset(large, ' ', sizeof large - 1);
    large[sizeof large - 1] = 0;
    refused(large, "10001 bytes are more than the 10000");
    char lists[302] = "[";
    for (int i = 0; i < 100; i++)
        strcat(lists, i ? ",[]" : "[]");
    strcat(lists, "]");
    refused(lists, "its values would take 17"); /* far more than its bytes */
    memset(large + 2, ' ', 4000); /* what is in quotes is there three times, space between values is not */
    memcpy(large, "[\"", 2);
    memcpy(large + 4000, "\"]", 3);
    refused(large, "its values would take 12");
    large[0] = ' ';
    large[1] = '7';
    large[4000] = large[4001] = ' ';
    assert_int_equal(open_text(&j, large, &e), OK);
    json_close(&j);
}

/* An integer beyond 64 bits turns all integers of the file into reals; they are integers all the same,
 * as far as a double holds them. */
static void test_large_integers(void **state)
{
    (void)state;
    Json j;
    Error e = {0};
    int64_t v;
    assert_int_equal(
        open_text(&j,
                  "{\"huge\": 1000000000000000000000, \"n\": 7, \"x\": 7.5, \"top\": 9007199254740992, "
                  "\"above\": 9007199254740994}",
                  &e),
        OK);
    assert_int_equal(json_integer_in(&j, j.root, "", "n", 0, 10, &v, &e), OK);
    assert_int_equal(v, 7);
    assert_int_equal(json_integer_in(&j, j.root, "", "top", 0, INT64_MAX, &v, &e), OK);
    assert_true(v == INT64_C(9007199254740992));
    static const char *const none[] = {"huge", "x", "above"};
    for (int i = 0; i < 3; i++) {
        Error why = {0};
        assert_int_equal(json_integer_in(&j, j.root, "", none[i], 0, INT64_MAX, &v, &why), BAD_INPUT);
        assert_non_null(strstr(why.text, "wanted an integer, found a number"));
    }
    json_close(&j);
}

static const char fields[] =
    "{\"i\": -3, \"r\": 0.5, \"b\": true, \"s\": \"text\", \"o\": {\"k\": 1}, \"a\": [1], "
    "\"none\": null}";

static void test_fields(void **state)
{
    (void)state;
    Json j;
    Error e = {0};
    int64_t i;
    double r;
    bool b;
    const char *s;
    json_t *v;
    assert_int_equal(open_text(&j, fields, &e), OK);
    json_integer_in(&j, j.root, "", "i", -3, -3, &i, &e);
    assert_int_equal(i, -3);
    json_integer_or(&j, j.root, "", "i", -3, -3, 9, &i, &e);
    assert_int_equal(i, -3);
    json_integer_or(&j, j.root, "", "none", 0, 1, 9, &i, &e);
    assert_int_equal(i, 9);
    json_real_or(&j, j.root, "", "r", 0.5, 0.5, 2, &r, &e);
    assert_true(r >= 0.5 && r <= 0.5);
    json_real_or(&j, j.root, "", "i", -3, 0, 2, &r, &e);
    assert_true(r >= -3 && r <= -3);
    json_real_or(&j, j.root, "", "absent", 0, 1, 2, &r, &e);
    assert_true(r >= 2 && r <= 2);
    json_bool_or(&j, j.root, "", "b", false, &b, &e);
    assert_true(b);
    json_bool_or(&j, j.root, "", "none", true, &b, &e);
    assert_true(b);
    json_string_in(&j, j.root, "", "s", &s, &e);
    assert_string_equal(s, "text");
    json_string_or(&j, j.root, "", "s", "other", &s, &e);
    assert_string_equal(s, "text");
    json_string_or(&j, j.root, "", "none", "other", &s, &e);
    assert_string_equal(s, "other");
    json_object_in(&j, j.root, "", "o", &v, &e);
    json_integer_in(&j, v, "o", "k", 0, 1, &i, &e);
    assert_int_equal(i, 1);
    json_array_in(&j, j.root, "", "a", &v, &e);
    assert_int_equal(json_array_size(v), 1);
    if (e.status != OK)
        fail_msg("%s", e.text);
    json_close(&j);
}

static void says(Error *e, const char *wanted)
{
    if (e->status != BAD_INPUT || !strstr(e->text, wanted))
        fail_msg("status %d, \"%s\", which does not say \"%s\"", (int)e->status, e->text, wanted);
    *e = (Error){0};
}

/* Messages name field, wanted and found; what is returned may be read. */
static void test_refused_fields(void **state)
{
    (void)state;
    Json j;
    Error e = {0};
    int64_t i;
    double r;
    bool b;
    const char *s;
    json_t *v;
    assert_int_equal(open_text(&j, fields, &e), OK);
    json_integer_in(&j, j.root, "", "i", -2, 5, &i, &e);
    assert_int_equal(i, -2);
    says(&e, "file.json: i: wanted -2 to 5, found -3");
    json_integer_in(&j, j.root, "part", "i", -9, -4, &i, &e);
    says(&e, "file.json: part.i: wanted -9 to -4, found -3");
    json_integer_in(&j, j.root, "", "none", 4, 5, &i, &e);
    assert_int_equal(i, 4);
    says(&e, "none: wanted an integer, found nothing");
    json_integer_or(&j, j.root, "", "s", 0, 5, 9, &i, &e);
    assert_int_equal(i, 9);
    says(&e, "s: wanted an integer, found a string");
    json_real_or(&j, j.root, "", "r", 0.6, 1, 2, &r, &e);
    assert_true(r >= 2 && r <= 2);
    says(&e, "r: wanted 0.6 to 1, found 0.5");
    json_real_or(&j, j.root, "", "b", 0, 1, 2, &r, &e);
    says(&e, "b: wanted a number, found a boolean");
    json_bool_or(&j, j.root, "", "a", true, &b, &e);
    assert_true(b);
    says(&e, "a: wanted true or false, found an array");
    json_string_in(&j, j.root, "", "o", &s, &e);
    assert_string_equal(s, "");
    says(&e, "o: wanted a string, found an object");
    json_string_or(&j, j.root, "", "i", "other", &s, &e);
    assert_string_equal(s, "other");
    says(&e, "i: wanted a string, found an integer");
    json_object_in(&j, j.root, "", "a", &v, &e);
    assert_null(v);
    says(&e, "a: wanted an object, found an array");
    json_array_in(&j, v, "a", "k", &v, &e);
    assert_null(v);
    says(&e, "a.k: wanted an array, found nothing");
    json_close(&j);
}

/* After a failure: the same values as after one of their own, and the message stays. */
static void test_after_failure(void **state)
{
    (void)state;
    Json j;
    Error e = {0};
    int64_t i;
    double r;
    bool b;
    const char *s;
    json_t *v;
    assert_int_equal(open_text(&j, fields, &e), OK);
    error_set(&e, FAILED, "before");
    json_integer_in(&j, j.root, "", "i", -5, 5, &i, &e);
    assert_int_equal(i, -5);
    json_integer_or(&j, j.root, "", "i", -5, 5, 9, &i, &e);
    assert_int_equal(i, 9);
    json_real_or(&j, j.root, "", "r", 0, 1, 2, &r, &e);
    assert_true(r >= 2 && r <= 2);
    json_bool_or(&j, j.root, "", "b", false, &b, &e);
    assert_false(b);
    json_string_in(&j, j.root, "", "s", &s, &e);
    assert_string_equal(s, "");
    json_string_or(&j, j.root, "", "s", "other", &s, &e);
    assert_string_equal(s, "other");
    json_object_in(&j, j.root, "", "o", &v, &e);
    assert_null(v);
    json_array_in(&j, j.root, "", "a", &v, &e);
    assert_null(v);
    json_put(j.root, "new", json_integer(1), &e); /* the sanitizer would see a leak */
    assert_null(json_object_get(j.root, "new"));
    v = json_object_get(j.root, "a");
    json_append(v, json_integer(1), &e);
    assert_int_equal(json_array_size(v), 1);
    assert_int_equal(e.status, FAILED);
    assert_string_equal(e.text, "before");
    json_close(&j);
}

static void test_put(void **state)
{
    (void)state;
    Error e = {0};
    json_t *o = json_object(), *list = json_array();
    json_put(o, "k", json_integer(5), &e);
    json_append(list, json_integer(6), &e);
    assert_int_equal(e.status, OK);
    assert_int_equal(json_integer_value(json_object_get(o, "k")), 5);
    assert_int_equal(json_integer_value(json_array_get(list, 0)), 6);
    assert_int_equal(json_put(o, "k", NULL, &e), NO_MEMORY);
    e = (Error){0};
    assert_int_equal(json_append(list, NULL, &e), NO_MEMORY);
    json_decref(o);
    json_decref(list);
}

static void test_print(void **state)
{
    (void)state;
    Error e = {0};
    Text t = {0};
    json_t *o = json_pack("{s:[i, f], s:s}", "k", 1, 0.1, "s", "\xC3\xA9\"");
    text_add(&t, "> ", &e);
    assert_int_equal(json_print(&t, o, JSON_COMPACT | JSON_REAL_PRECISION(3) | JSON_SORT_KEYS, &e), OK);
    assert_string_equal(t.data, "> {\"k\":[1,0.1],\"s\":\"\xC3\xA9\\\"\"}");
    assert_int_equal(json_print(&t, NULL, 0, &e), NO_MEMORY);
    assert_string_equal(e.text, "out of memory");
    text_clear(&t);
    json_print(&t, o, 0, &e);
    assert_int_equal(t.count, 0);
    text_free(&t);
    json_decref(o);
}

static void test_kinds(void **state)
{
    (void)state;
    static const char *const wanted[] = {"an object", "an array",  "a string",  "an integer",
                                         "a number",  "a boolean", "a boolean", "null"};
    json_t *list = json_pack("[{}, [], s, i, f, b, b, n]", "", 0, 0.5, 0, 1);
    for (size_t i = 0; i < json_array_size(list); i++)
        assert_string_equal(json_kind(json_array_get(list, i)), wanted[i]);
    assert_string_equal(json_kind(NULL), "nothing");
    json_decref(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open),          cmocka_unit_test(test_large_integers),
        cmocka_unit_test(test_fields),        cmocka_unit_test(test_refused_fields),
        cmocka_unit_test(test_after_failure), cmocka_unit_test(test_put),
        cmocka_unit_test(test_print),         cmocka_unit_test(test_kinds),
    };
    return cmocka_run_group_tests_name("base/json", tests, NULL, NULL);
}
