/* The distance by bit vectors against the recurrence, and metrics on long answers: src/data/distance.c,
 * src/data/metrics.c. What a stranger's data set may hold must not take the square of its length. */
#include "data/distance.h"

#include "base/json.h"
#include "base/memory.h"
#include "base/word.h"
#include "data/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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

/* All lengths around multiples of 64, alphabets small and large, texts alike and not. */
static void test_recurrence(void **state)
{
    (void)state;
    enum { MOST = 200 };
    int32_t a[MOST], b[MOST];
    int64_t row[MOST + 1];
    uint32_t seed = 7;
    for (int i = 0; i < 20000; i++) {
        const int64_t n = next(&seed) % MOST;
        const int64_t m = i % 3 ? next(&seed) % MOST : n;
        const uint32_t letters = 1 + next(&seed) % (i % 2 ? 4 : 3000);
        Error e = {0};
        for (int64_t k = 0; k < n; k++)
            a[k] = (int32_t)(next(&seed) % letters) - 1;
        for (int64_t k = 0; k < m; k++)
            b[k] = k < n && next(&seed) % 8 ? a[k] : (int32_t)(next(&seed) % letters) - 1;
        const int64_t got = text_distance(a, n, b, m, &e);
        const int64_t want = edit_distance(a, n, b, m, row);
        if (got != want)
            fail_msg("lengths %lld and %lld: %lld, wanted %lld", (long long)n, (long long)m, (long long)got,
                     (long long)want);
    }
}

static void test_long_answer(void **state)
{
    (void)state;
    enum { LONG = 100000 };
    uint32_t seed = 3;
    char *said = memory_new(LONG + 1, 1, &(Error){0});
    char *answer = memory_new(LONG + 1, 1, &(Error){0});
    for (int i = 0; i < LONG; i++) {
        said[i] = (char)('a' + next(&seed) % 20);
        answer[i] = i % 10 ? said[i] : '0';
    }
    json_t *answers = json_array();
    json_array_append_new(answers, json_string(answer));
    Error e = {0};
    const clock_t begin = clock();
    const double anls = metric_anls(said, answers, &e);
    const double took = seconds_since(begin);
    print_message("  ANLS of 100 kB against 100 kB: %.2f s\n", took);
    assert_int_equal(e.status, OK);
    assert_true(anls > 0.899 && anls < 0.901);
    assert_true(took < most_seconds);
    json_decref(answers);
    free(said);
    free(answer);
}

static void test_many_answers(void **state)
{
    (void)state;
    json_t *answers = json_array();
    for (int i = 0; i < 30000; i++) {
        char text[60];
        snprintf(text, sizeof text, "the same beginning of all of the answers %d", i);
        json_array_append_new(answers, json_string(text));
    }
    json_array_append_new(answers, json_string("the same beginning of all of the answers 29000"));
    json_array_append_new(answers, json_string("the same beginning of all of the answers 5"));
    const clock_t begin = clock();
    const char *most = most_frequent(answers);
    const double took = seconds_since(begin);
    print_message("  the most frequent of 30,000 answers: %.2f s\n", took);
    assert_string_equal(
        most, "the same beginning of all of the answers 5"); /* the first of equally frequent ones */
    assert_true(took < most_seconds);
    json_decref(answers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_recurrence), cmocka_unit_test(test_long_answer),
                                       cmocka_unit_test(test_many_answers)};
    return cmocka_run_group_tests_name("data/distance", tests, NULL, NULL);
}
