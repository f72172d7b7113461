/* `mpa ask`: one question about pictures, answered by a model. */
#include "command/command.h"

#include "base/memory.h"
#include "base/json.h"
#include "base/options.h"
#include "base/signals.h"
#include "base/word.h"
#include "job/answerer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The text and a line end. Control bytes are shown escaped on a terminal, which could take them
 * for commands. */
static Status print_text(const Text *t, Error *e)
{
    bool terminal = output_is_terminal();
    for (size_t i = 0; i < t->count; i++) {
        unsigned char c = (unsigned char)t->data[i];
        if (terminal && (c < 0x20 || c == 0x7F) && c != '\n' && c != '\t')
            printf("\\x%02x", c);
        else
            putchar(c);
    }
    return putchar('\n') == EOF ? error_set(e, FAILED, "standard output: cannot write") : OK;
}

static Status print_reply(const Reply *r, double seconds, bool json, Error *e)
{
    if (!json)
        return print_text(&r->text, e);
    json_t *ids = json_array();
    for (int64_t i = 0; i < r->ids.count; i++)
        json_append(ids, json_integer(r->ids.data[i]), e);
    json_t *o =
        json_pack("{s:o, s:o, s:I, s:f}", "text", json_stringn(text_string(&r->text), r->text.count),
                  "token_ids", ids, "prompt_tokens", (json_int_t)r->prompt_tokens, "seconds", seconds);
    char *text = o && e->status == OK ? json_dumps(o, JSON_REAL_PRECISION(6)) : NULL;
    Status status = text ? OK : error_set(e, NO_MEMORY, "out of memory");
    if (text && printf("%s\n", text) < 0)
        status = error_set(e, FAILED, "standard output: cannot write");
    free(text);
    json_decref(o);
    return status;
}

Status command_ask(Invocation *in, Error *e)
{
    const char *model = NULL, *prompt = NULL, *most = NULL,
               **images = memory_new(LIST_CAPACITY, sizeof *images, e);
    int64_t n_images = 0, max_new_tokens = 128;
    bool greedy = false, json = false;
    const Option options[] = {{.name = "model", .takes_value = true, .value = &model},
                              {.name = "image", .takes_value = true, .list = images, .list_count = &n_images},
                              {.name = "prompt", .takes_value = true, .value = &prompt},
                              {.name = "max-new-tokens", .takes_value = true, .value = &most},
                              {.name = "greedy", .given = &greedy},
                              {.name = "json", .given = &json},
                              {0}};
    Status status = images ? options_parse(options, in->arguments, &in->count, e) : NO_MEMORY;
    if (status == OK)
        status = command_no_arguments(in, e);
    if (status == OK && command_needs(model, "model", e) == OK)
        command_needs(prompt, "prompt", e);
    if (status == OK && most &&
        (!parse_integer(most, &max_new_tokens) || max_new_tokens < 1 || max_new_tokens > 1000000))
        error_set(e, BAD_USAGE, "--max-new-tokens %s: wanted an integer from 1 to 1000000", most);
    Vlm vlm = {0};
    Reply reply = {0};
    if ((status = e->status) == OK)
        status = command_open_model(in, &vlm, model, e);
    if (status == OK) {
        GenerationConfig config = vlm.generation;
        if (greedy) {
            config.do_sample = false;
            config.repetition_penalty = 1;
        }
        double begin = clock_seconds();
        Decoding d = {.config = &config, .max_new_tokens = max_new_tokens, .stop = signals_flag()};
        status = answer_questions(&vlm, &(Question){.images = images, .n_images = n_images, .text = prompt},
                                  1, NULL, &d, &reply, e);
        if (status == OK)
            status = print_reply(&reply, clock_seconds() - begin, json, e);
    }
    reply_free(&reply);
    vlm_close(&vlm);
    free(images);
    return status;
}
