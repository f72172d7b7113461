/* Greedy continuations of the tiny checkpoints against transformers' generate: one prompt at a
 * time and in batches, with repetition penalty, with several end tokens. Ids and texts must be
 * the same. */
#include "fixture/model_family.h"
#include "fixture/must.h"

#include "base/utf8.h"
#include "generate/generate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { PROMPTS = 8, PICTURES = 4 };

/* The prompts of one golden row, and how they are continued. */
typedef struct {
    Vlm vlm;
    Samples prompts;
    GenerationConfig config;
    int64_t max_new_tokens;
} Continuation;

static void load_prompts(Samples *out, const Vlm *vlm, const json_t *prompts)
{
    Question q[PROMPTS];
    const char *image[PROMPTS][PICTURES];
    size_t count = json_array_size(prompts);
    Error e = {0};
    assert_true(count > 0 && count <= PROMPTS);
    for (size_t i = 0; i < count; i++) {
        const json_t *row = json_array_get(prompts, i);
        const json_t *pictures = json_object_get(row, "pictures");
        size_t n = json_array_size(pictures);
        assert_true(n <= PICTURES);
        for (size_t k = 0; k < n; k++)
            image[i][k] = json_string_value(json_array_get(pictures, k));
        q[i] = (Question){.images = image[i], .n_images = (int64_t)n, .text = row_string(row, "text")};
    }
    samples_load(out, vlm, q, (int64_t)count, NULL, NULL, &e);
    must(&e);
}

static void continuation_open(Continuation *c, const json_t *row)
{
    Error e = {0};
    *c = (Continuation){.max_new_tokens = row_integer(row, "max_new_tokens")};
    c->config = (GenerationConfig){.temperature = 1,
                                   .top_p = 1,
                                   .top_k = 50,
                                   .repetition_penalty = row_double(row, "repetition_penalty")};
    const json_t *eos = json_object_get(row, "eos");
    c->config.n_eos = (int)json_array_size(eos);
    assert_true(c->config.n_eos <= MAX_EOS);
    for (size_t i = 0; i < json_array_size(eos); i++)
        c->config.eos[i] = (int32_t)row_at(eos, i);
    vlm_open(&c->vlm, row_string(row, "checkpoint"), &e);
    must(&e);
    load_prompts(&c->prompts, &c->vlm, json_object_get(row, "prompts"));
    for (int64_t i = 0; i < c->prompts.count; i++)
        assert_int_equal(c->prompts.sample[i].count,
                         row_at(json_object_get(row, "prompt_tokens"), (size_t)i));
}

static void continuation_close(Continuation *c)
{
    samples_free(&c->prompts);
    vlm_close(&c->vlm);
}

/* Are the decoded tokens the bytes that `want` spells in hexadecimal? (A text may hold NUL.) */
static bool same_text(const Continuation *c, const Ids *got, const char *want)
{
    Text raw = {0};
    Text text = {0};
    Text hex = {0};
    Error e = {0};
    tokenizer_decode(c->vlm.tokenizer, &raw, got->data, got->count, true, &e);
    utf8_repair(&text, text_string(&raw), raw.count, &e);
    for (size_t i = 0; i < text.count; i++)
        text_format(&hex, &e, "%02x", (unsigned)(unsigned char)text.data[i]);
    must(&e);
    bool same = !strcmp(text_string(&hex), want);
    text_free(&raw);
    text_free(&text);
    text_free(&hex);
    return same;
}

/* Continues the prompts, all together or each alone; returns how many differ. */
static int wrong_answers(const Continuation *c, const json_t *row, bool together, const char *golden,
                         size_t number)
{
    Ids answers[PROMPTS] = {{0}};
    Error e = {0};
    int wrong = 0;
    const Decoding d = {.config = &c->config, .max_new_tokens = c->max_new_tokens};
    int64_t at_once = together ? c->prompts.count : 1;
    for (int64_t i = 0; i < c->prompts.count; i += at_once)
        generate(&c->vlm, c->prompts.sample + i, at_once, &d, answers + i, &e);
    must(&e);
    for (int64_t i = 0; i < c->prompts.count; i++) {
        const char *text = json_string_value(json_array_get(json_object_get(row, "utf8"), (size_t)i));
        const json_t *want = json_array_get(json_object_get(row, "ids"), (size_t)i);
        bool ids = same_ids(answers[i].data, answers[i].count, want);
        if (!ids || !same_text(c, answers + i, text)) {
            print_error("golden/%s: row %zu, prompt %lld %s: other %s than transformers'\n", golden, number,
                        (long long)i, together ? "in its batch" : "alone", ids ? "text" : "ids");
            wrong++;
        }
        ids_free(answers + i);
    }
    return wrong;
}

static void greedy(void **state)
{
    const FamilyGolden *f = *state;
    char golden[100];
    int wrong = 0;
    snprintf(golden, sizeof golden, "%stexts", f->golden);
    Json rows = golden_rows(golden, 1);
    for (size_t n = 0; n < json_array_size(rows.root); n++) {
        const json_t *row = json_array_get(rows.root, n);
        Continuation c;
        continuation_open(&c, row);
        wrong += wrong_answers(&c, row, true, golden, n);
        if (c.prompts.count > 1)
            wrong += wrong_answers(&c, row, false, golden, n);
        continuation_close(&c);
    }
    json_close(&rows);
    if (wrong)
        fail_msg("%d answers differ; read src/generate/generate.c, src/generate/sampling.c; if "
                 "golden_model_test fails too, that first",
                 wrong);
}

int main(void)
{
    const FamilyTest tests[] = {{"greedy continuations", greedy}};
    return run_family_tests(EACH_FAMILY, tests, sizeof tests / sizeof *tests);
}
