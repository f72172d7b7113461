/* What a continuation depends on: a prompt's number, not its batch; and a flag that ends the work. */
#include "fixture/must.h"

#include "base/parallel.h"
#include "generate/generate.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PROMPTS = 3, NEW_TOKENS = 12 };

/* Three different prompts, sampled with a high temperature. */
typedef struct {
    Vlm vlm;
    Samples prompts;
    GenerationConfig config;
} Work;

static void work_open(Work *w)
{
    const Question q[PROMPTS] = {{.text = "What is it?"}, {.text = "Where?"}, {.text = "Which one is it?"}};
    Error e = {0};
    vlm_open(&w->vlm, "weights/tiny-smolvlm-a", &e);
    must(&e);
    samples_load(&w->prompts, &w->vlm, q, PROMPTS, NULL, NULL, &e);
    must(&e);
    w->config = (GenerationConfig){
        .do_sample = true, .temperature = 5, .top_k = 0, .top_p = 1, .repetition_penalty = 1};
}

static void work_close(Work *w)
{
    samples_free(&w->prompts);
    vlm_close(&w->vlm);
}

static void draws_by_stream(void **state)
{
    Work w;
    Ids all[PROMPTS] = {{0}};
    Error e = {0};
    int other = 0;
    (void)state;
    work_open(&w);
    uint64_t streams[PROMPTS];
    for (int i = 0; i < PROMPTS; i++)
        streams[i] = (uint64_t)(40 + i);
    Decoding d = {.config = &w.config, .max_new_tokens = NEW_TOKENS, .seed = 3, .streams = streams};
    generate(&w.vlm, w.prompts.sample, PROMPTS, &d, all, &e);
    must(&e);
    for (int i = 0; i < PROMPTS; i++) {
        Ids alone = {0};
        Ids elsewhere = {0};
        const uint64_t own = (uint64_t)(40 + i);
        const uint64_t other_stream = (uint64_t)(70 + i);
        d.streams = &own;
        generate(&w.vlm, w.prompts.sample + i, 1, &d, &alone, &e);
        d.streams = &other_stream;
        generate(&w.vlm, w.prompts.sample + i, 1, &d, &elsewhere, &e);
        must(&e);
        assert_int_equal(alone.count, NEW_TOKENS);
        assert_int_equal(all[i].count, NEW_TOKENS);
        assert_memory_equal(alone.data, all[i].data, NEW_TOKENS * sizeof(int32_t));
        other += memcmp(alone.data, elsewhere.data, NEW_TOKENS * sizeof(int32_t)) != 0;
        ids_free(&alone);
        ids_free(&elsewhere);
        ids_free(all + i);
    }
    assert_int_equal(other, PROMPTS);
    work_close(&w);
}

static void stops(void **state)
{
    Work w;
    Ids answer = {0};
    Error e = {0};
    volatile int stop = 1;
    (void)state;
    work_open(&w);
    const Decoding d = {.config = &w.config, .max_new_tokens = NEW_TOKENS, .stop = &stop};
    assert_int_equal(generate(&w.vlm, w.prompts.sample, 1, &d, &answer, &e), INTERRUPTED);
    assert_int_equal(answer.count, 1);
    ids_free(&answer);
    assert_int_equal(generate(&w.vlm, w.prompts.sample, 1, &d, &answer, &e), INTERRUPTED); /* e has failed */
    assert_int_equal(answer.count, 0);
    work_close(&w);
}

/* The parts of the estimate: every prompt has its logits, what it has seen, and keys and values; threads have what is theirs. */
static void bytes_are_of_all_prompts(void **state)
{
    Work w;
    (void)state;
    work_open(&w);
    const Vlm *v = &w.vlm;
    assert_int_equal(generate_bytes(v, 2, 0, 0) - generate_bytes(v, 0, 0, 0), 2 * v->vocab * 9);
    parallel_set_threads(2);
    const bool threads = parallel_threads() == 2; /* not with OPENMP=0 */
    const int64_t two = generate_bytes(v, 2, 10, 0);
    parallel_set_threads(1);
    const int64_t one = generate_bytes(v, 2, 10, 0);
    assert_true(threads ? one < two : one == two);
    parallel_set_threads(0);
    assert_int_equal(generate_bytes(v, 2, 0, 7) - generate_bytes(v, 2, 0, 0),
                     2 * 7 * 2 * v->layers * v->kv_width * (int64_t)sizeof(float));
    assert_true(generate_bytes(v, 1, 10, 0) - generate_bytes(v, 1, 0, 0) >=
                10 * (v->text_row.forward + v->picture_row.forward));
    work_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(draws_by_stream), cmocka_unit_test(stops),
                                       cmocka_unit_test(bytes_are_of_all_prompts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
