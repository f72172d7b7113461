/* Greedy continuations of the tiny checkpoints against transformers' generate: one prompt at a
 * time and in batches, with repetition penalty, with several end tokens. Ids and texts must be
 * the same. */
#include "base/json.h"
#include "base/utf8.h"
#include "generate/generate.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { PROMPTS = 8, PICTURES = 4 };
/* The prompts of one job and what they are continued with. */
typedef struct {
    Vlm vlm;
    Picture picture[PROMPTS][PICTURES];
    int64_t pictures[PROMPTS];
    Sample prompt[PROMPTS];
    int64_t count;
    GenerationConfig config;
} Job;

static void must(Status status, const Error *e)
{
    if (status != OK)
        fail_msg("%s", e->text);
}

static void job_open(Job *j, const json_t *o)
{
    Error e = {0};
    size_t i, k;
    json_t *p, *v;
    memset(j, 0, sizeof *j);
    must(vlm_open(&j->vlm, json_string_value(json_object_get(o, "checkpoint")), &e), &e);
    json_array_foreach(json_object_get(o, "prompts"), i, p)
    {
        assert_true(i < PROMPTS);
        json_array_foreach(json_object_get(p, "pictures"), k, v)
        {
            assert_true(k < PICTURES);
            must(vlm_picture(&j->vlm, &j->picture[i][k], json_string_value(v), NULL, &e), &e);
            j->pictures[i]++;
        }
        const char *text = json_string_value(json_object_get(p, "text"));
        must(vlm_sample(&j->vlm, j->prompt + i, j->picture[i],
                        &(Question){.n_images = j->pictures[i], .text = text}, NULL, &e),
             &e);
        assert_int_equal(j->prompt[i].count,
                         json_integer_value(json_array_get(json_object_get(o, "prompt_tokens"), i)));
        j->count++;
    }
    j->config =
        (GenerationConfig){.temperature = 1,
                           .top_p = 1,
                           .top_k = 50,
                           .repetition_penalty = json_number_value(json_object_get(o, "repetition_penalty"))};
    json_array_foreach(json_object_get(o, "eos"), i, v)
    {
        j->config.eos[j->config.n_eos++] = (int32_t)json_integer_value(v);
    }
}

static void job_close(Job *j)
{
    for (int64_t i = 0; i < j->count; i++) {
        sample_free(j->prompt + i);
        for (int64_t k = 0; k < j->pictures[i]; k++)
            picture_free(&j->picture[i][k]);
    }
    vlm_close(&j->vlm);
}

static bool same_ids(const Ids *got, const json_t *want)
{
    bool same = got->count == (int64_t)json_array_size(want);
    for (int64_t i = 0; same && i < got->count; i++)
        same = got->data[i] == json_integer_value(json_array_get(want, (size_t)i));
    return same;
}

/* Whether the decoded tokens are the bytes that `want` spells in hexadecimal (a text may hold NUL). */
static bool same_text(const Job *j, const Ids *got, const char *want)
{
    Text raw = {0}, text = {0}, hex = {0};
    Error e = {0};
    must(tokenizer_decode(j->vlm.tokenizer, &raw, got->data, got->count, true, &e), &e);
    assert_true(utf8_repair(&text, text_string(&raw), raw.count, &e));
    for (size_t i = 0; i < text.count; i++)
        assert_true(text_format(&hex, &e, "%02x", (unsigned)(unsigned char)text.data[i]));
    bool same = !strcmp(text_string(&hex), want);
    text_free(&raw);
    text_free(&text);
    text_free(&hex);
    return same;
}

/* Continues the prompts, all together or each alone; returns how many differ. */
static int wrong_answers(const Job *j, const json_t *o, bool together, const char *golden, size_t number)
{
    Ids answers[PROMPTS] = {{0}};
    Error e = {0};
    int wrong = 0;
    Decoding d = {.config = &j->config,
                  .max_new_tokens = json_integer_value(json_object_get(o, "max_new_tokens"))};
    if (together)
        must(generate(&j->vlm, j->prompt, j->count, &d, answers, &e), &e);
    for (int64_t i = 0; i < j->count; i++) {
        if (!together)
            must(generate(&j->vlm, j->prompt + i, 1, &d, answers + i, &e), &e);
        const char *text = json_string_value(json_array_get(json_object_get(o, "utf8"), (size_t)i));
        bool ids = same_ids(answers + i, json_array_get(json_object_get(o, "ids"), (size_t)i));
        if (!ids || !same_text(j, answers + i, text)) {
            print_error("%s: job %zu, prompt %lld %s: other %s than transformers'\n", golden, number,
                        (long long)i, together ? "in its batch" : "alone", ids ? "text" : "ids");
            wrong++;
        }
        ids_free(answers + i);
    }
    return wrong;
}

static void greedy(void **state)
{
    const char *golden = *state;
    Json file = {0};
    Error e = {0};
    size_t n;
    json_t *o;
    int wrong = 0, done = 0;
    must(json_open(&file, golden, 1 << 24, &e), &e);
    json_array_foreach(file.root, n, o)
    {
        Job j;
        job_open(&j, o);
        wrong += wrong_answers(&j, o, true, golden, n);
        if (j.count > 1)
            wrong += wrong_answers(&j, o, false, golden, n);
        job_close(&j);
        done++;
    }
    json_close(&file);
    assert_true(done > 0);
    if (wrong)
        fail_msg("%d answers differ; read src/generate/generate.c, src/generate/sampling.c; if "
                 "golden_model_test fails too, that first",
                 wrong);
}

int main(void)
{
    static char qwen2vl[] = "golden/family/qwen2vl/texts.json",
                smolvlm[] = "golden/family/smolvlm/texts.json";
    const struct CMUnitTest tests[] = {{"Qwen2-VL", greedy, NULL, NULL, qwen2vl},
                                       {"SmolVLM", greedy, NULL, NULL, smolvlm}};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
