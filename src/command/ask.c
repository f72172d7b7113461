/* `mpa ask`: one question about pictures, answered by a model. */
#include "command/command.h"

#include "base/json.h"
#include "base/map_guard.h"
#include "base/memory.h"
#include "base/signals.h"
#include "generate/answer.h"

#include <stdlib.h>

/* The text and a line end. */
static Status print_text(const Text *t, Error *e)
{
    command_print(text_string(t), t->count, e);
    return command_print("\n", 1, e);
}

static Status print_json(const Answer *a, double seconds, Error *e)
{
    json_t *ids = json_array();
    for (int64_t i = 0; i < a->ids.count; i++)
        json_append(ids, json_integer(a->ids.data[i]), e);
    json_t *o =
        json_pack("{s:o, s:o, s:I, s:f}", "text", json_stringn(text_string(&a->text), a->text.count),
                  "token_ids", ids, "prompt_tokens", (json_int_t)a->prompt_tokens, "seconds", seconds);
    Text text = {0};
    json_print(&text, o, JSON_REAL_PRECISION(6), e);
    text_add(&text, "\n", e);
    command_print(text_string(&text), text.count, e);
    text_free(&text);
    json_decref(o);
    return e->status;
}

/* Decodes as generation_config.json says, or with `greedy` without sampling and penalty. */
static Status ask(const Vlm *vlm, const Question *q, int64_t max_new_tokens, bool greedy, bool json, Error *e)
{
    GenerationConfig config = vlm->generation;
    if (greedy) {
        config.do_sample = false;
        config.repetition_penalty = 1;
    }
    const double begin = clock_seconds();
    const Decoding d = {.config = &config, .max_new_tokens = max_new_tokens, .stop = signals_flag()};
    Answer answer = {0};
    answer_questions(vlm, q, 1, NULL, &d, &answer, e);
    if (map_guard_check(e) == OK)
        json ? print_json(&answer, clock_seconds() - begin, e) : print_text(&answer.text, e);
    answer_free(&answer);
    return e->status;
}

static Status run(Invocation *in, Error *e)
{
    const char *model = NULL;
    const char *adapter = NULL;
    const char *tokens = NULL;
    const char **images = memory_new(LIST_CAPACITY, sizeof *images, e);
    int64_t max_new_tokens = 128;
    bool greedy = false;
    bool json = false;
    Question q = {.images = images};
    Vlm vlm = {0};
    const Option options[] = {
        {.name = "model", .takes_value = true, .value = &model},
        {.name = "adapter", .takes_value = true, .value = &adapter},
        {.name = "image", .takes_value = true, .list = images, .list_count = &q.n_images},
        {.name = "prompt", .takes_value = true, .value = &q.text},
        {.name = "max-new-tokens", .takes_value = true, .value = &tokens},
        {.name = "greedy", .given = &greedy},
        {.name = "json", .given = &json},
        {0}};
    command_options(in, options, e);
    command_needs(model, "model", e);
    command_needs(q.text, "prompt", e);
    command_integer(tokens, "max-new-tokens", 1, 1000000, &max_new_tokens, e);
    if (command_open_model(in, &vlm, model, adapter, e) == OK)
        ask(&vlm, &q, max_new_tokens, greedy, json, e);
    vlm_close(&vlm);
    free(images);
    return e->status;
}

const Command command_ask = {
    "ask", run,
    "--model DIR [--adapter DIR] --image FILE... --prompt TEXT [--max-new-tokens N] [--greedy] [--json]",
    "ask a model about pictures",
    "The prompt begins with the pictures, in the order of --image. Decoding follows generation_config.json.\n"
    "  --adapter DIR        with a LoRA adapter (a PEFT folder), not merged\n"
    "  --max-new-tokens N   maximum number of new tokens (default 128)\n"
    "  --greedy             the most likely token each time: no sampling, no repetition penalty\n"
    "  --json               one JSON object: text, token_ids, prompt_tokens, seconds\n"};
