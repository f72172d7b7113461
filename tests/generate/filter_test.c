/* The next token's distribution against transformers' own logits processors, and the choice from
 * it. */
#include "fixture/golden.h"

#include "generate/generate.h"

#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char source[] = "src/generate/sampling.c";

/* Tensor "N.KEY" of case n, as a name; valid until the next call with the same buffer. */
static const char *named(char *name, size_t n, const char *key)
{
    snprintf(name, 60, "%zu.%s", n, key);
    return name;
}

/* Filters the logits of case n; owned by the caller. */
static float *filtered(Golden *g, size_t n, const GenerationConfig *config, int64_t *V)
{
    char name[60];
    float *logits = golden_floats(g, named(name, n, "logits"));
    *V = golden_tensor(g, name)->count;
    int32_t *ids = golden_ints(g, named(name, n, "seen"));
    bool *seen = calloc((size_t)*V, sizeof *seen);
    void *scratch = malloc((size_t)filter_scratch_bytes(*V));
    assert_true(seen && scratch);
    for (int64_t i = 0; i < golden_tensor(g, name)->count; i++)
        seen[ids[i]] = true;
    filter_logits(logits, *V, config, seen, scratch);
    free(ids);
    free(seen);
    free(scratch);
    return logits;
}

/* Each token is picked by that share of all u in [0, 1) which is its probability, to the width of
 * the steps in u. */
static void check_picks(const float *logits, int64_t V, const GenerationConfig *config, size_t n)
{
    enum { STEPS = 4000 };
    int *picked = calloc((size_t)V, sizeof *picked);
    double max = -INFINITY;
    double sum = 0;
    assert_non_null(picked);
    for (int64_t v = 0; v < V; v++)
        max = fmax(max, (double)logits[v]);
    for (int64_t v = 0; v < V; v++)
        sum += exp((double)logits[v] - max);
    for (int i = 0; i < STEPS; i++) {
        int32_t v = pick_token(logits, V, config, (i + 0.5) / STEPS);
        assert_true(v >= 0 && v < V && isfinite(logits[v]));
        picked[v]++;
    }
    for (int64_t v = 0; v < V; v++)
        if (!(fabs(picked[v] - STEPS * exp((double)logits[v] - max) / sum) <= 1.001))
            fail_msg("case %zu: token %lld is picked %d times of %d; read %s", n, (long long)v, picked[v],
                     STEPS, source);
    free(picked);
}

static bool check_case(Golden *g, size_t n, const json_t *o)
{
    const GenerationConfig config = {.do_sample = true,
                                     .temperature = row_double(o, "temperature"),
                                     .top_p = row_double(o, "top_p"),
                                     .top_k = row_integer(o, "top_k"),
                                     .repetition_penalty = row_double(o, "repetition_penalty")};
    char name[60];
    int64_t V;
    float *logits = filtered(g, n, &config, &V);
    check_picks(logits, V, &config, n);
    int32_t *kept = calloc((size_t)V, sizeof *kept);
    double max = 0;
    assert_non_null(kept);
    for (int64_t v = 0; v < V; v++) {
        kept[v] = logits[v] > -INFINITY;
        logits[v] = kept[v] ? logits[v] : 0;
        max = fmax(max, fabs((double)logits[v]));
    }
    bool good = golden_ints_equal(g, named(name, n, "kept"), kept, V, source);
    good &= golden_within(g, named(name, n, "filtered"), logits, V, 3e-7 * fmax(max, 1), 1, source);
    free(kept);
    free(logits);
    return good;
}

static void as_transformers(void **state)
{
    (void)state;
    Golden g;
    size_t n;
    json_t *o;
    bool good = true;
    golden_open(&g, "generate/filter");
    json_array_foreach(json_object_get(g.notes.root, "cases"), n, o)
    {
        good &= check_case(&g, n, o);
    }
    golden_close(&g);
    if (!good)
        fail_msg("read %s", source);
}

/* Without sampling only the penalty counts, and the first of several largest is taken. */
static void without_sampling(void **state)
{
    (void)state;
    const GenerationConfig config = {.temperature = 0.1, .top_p = 0.1, .top_k = 1, .repetition_penalty = 2};
    float logits[] = {1, 4, -1, 2, 2};
    float scratch[100];
    const bool seen[] = {false, true, true, false, false};
    const float want[] = {1, 2, -2, 2, 2};
    assert_true(filter_scratch_bytes(5) <= (int64_t)sizeof scratch);
    filter_logits(logits, 5, &config, seen, scratch);
    assert_memory_equal(logits, want, sizeof want);
    assert_int_equal(pick_token(logits, 5, &config, 0.99), 1);
}

/* Two that share the probability: the lower id is at 1 - p exactly, and goes. */
static void top_p_at_its_bound(void **state)
{
    (void)state;
    const GenerationConfig config = {
        .do_sample = true, .temperature = 1, .top_p = 0.5, .top_k = 0, .repetition_penalty = 1};
    float logits[] = {3, 3};
    float scratch[100];
    const bool seen[] = {false, false};
    filter_logits(logits, 2, &config, seen, scratch);
    assert_true(isinf(logits[0]) && isfinite(logits[1]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_transformers), cmocka_unit_test(without_sampling),
                                       cmocka_unit_test(top_p_at_its_bound)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
