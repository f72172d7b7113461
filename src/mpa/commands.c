/* The commands that need no configuration: ask, trace, compare, tokenize. */
#include "mpa/command.h"

#include "base/memory.h"
#include "base/options.h"
#include "base/signals.h"
#include "mpa/answering.h"
#include "mpa/compare.h"
#include "mpa/tokenize.h"
#include "mpa/trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static Status no_more_arguments(const Invocation *in, Error *e)
{
    return in->count ? error_set(e, BAD_USAGE, "unexpected argument %s", in->arguments[0]) : OK;
}

static Status needs(const char *value, const char *option, Error *e)
{
    return value ? OK : error_set(e, BAD_USAGE, "--%s is needed", option);
}

static Status open_model(const Invocation *in, Vlm *vlm, const char *folder, Error *e)
{
    Status status = vlm_open(vlm, folder, e);
    if (status == OK && *vlm->warning)
        log_warning(&in->log, "%s", vlm->warning);
    return status;
}

/* The text and a line end. Control bytes are shown escaped on a terminal, which could take them for commands. */
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
    json_t *o = json_pack("{s:o, s:o, s:I, s:f}", "text", json_stringn(text_string(&r->text), r->text.count), "token_ids", ids, "prompt_tokens",
                          (json_int_t)r->prompt_tokens, "seconds", seconds);
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
    const char *model = NULL, *prompt = NULL, *most = NULL, **images = memory_new(LIST_CAPACITY, sizeof *images, e);
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
        status = no_more_arguments(in, e);
    if (status == OK && needs(model, "model", e) == OK)
        needs(prompt, "prompt", e);
    if (status == OK && most && (!parse_integer(most, &max_new_tokens) || max_new_tokens < 1 || max_new_tokens > 1000000))
        error_set(e, BAD_USAGE, "--max-new-tokens %s: wanted an integer from 1 to 1000000", most);
    Vlm vlm = {0};
    Reply reply = {0};
    if ((status = e->status) == OK)
        status = open_model(in, &vlm, model, e);
    if (status == OK) {
        GenerationConfig config = vlm.generation;
        if (greedy) {
            config.do_sample = false;
            config.repetition_penalty = 1;
        }
        double begin = clock_seconds();
        Decoding d = {.config = &config, .max_new_tokens = max_new_tokens, .stop = signals_flag()};
        status = answer_questions(&vlm, &(Question){images, n_images, prompt}, 1, NULL, &d, &reply, e);
        if (status == OK)
            status = print_reply(&reply, clock_seconds() - begin, json, e);
    }
    reply_free(&reply);
    vlm_close(&vlm);
    free(images);
    return status;
}

Status command_trace(Invocation *in, Error *e)
{
    const char *model = NULL, *out = NULL, **images = memory_new(LIST_CAPACITY, sizeof *images, e);
    TraceRequest request = {.images = images};
    const Option options[] = {{.name = "model", .takes_value = true, .value = &model},
                              {.name = "image", .takes_value = true, .list = images, .list_count = &request.n_images},
                              {.name = "prompt", .takes_value = true, .value = &request.prompt},
                              {.name = "answer", .takes_value = true, .value = &request.answer},
                              {.name = "grad", .given = &request.grad},
                              {.name = "out", .takes_value = true, .value = &out},
                              {0}};
    Status status = images ? options_parse(options, in->arguments, &in->count, e) : NO_MEMORY;
    if (status == OK)
        status = no_more_arguments(in, e);
    if (status == OK && needs(model, "model", e) == OK && needs(request.prompt, "prompt", e) == OK && needs(out, "out", e) == OK && request.grad)
        needs(request.answer, "answer", e);
    Vlm vlm = {0};
    if ((status = e->status) == OK)
        status = open_model(in, &vlm, model, e);
    if (status == OK)
        status = trace_write(&vlm, &request, out, e);
    vlm_close(&vlm);
    free(images);
    return status;
}

Status command_compare(Invocation *in, Error *e)
{
    const char *text = NULL;
    double tolerance = 0;
    const Option options[] = {{.name = "tolerance", .takes_value = true, .value = &text}, {0}};
    if (options_parse(options, in->arguments, &in->count, e) != OK)
        return e->status;
    if (text && (!parse_real(text, &tolerance) || tolerance < 0))
        return error_set(e, BAD_USAGE, "--tolerance %s: wanted a number from 0 up", text);
    if (in->count != 2)
        return error_set(e, BAD_USAGE, "wanted two files to compare");
    return compare_files(in->arguments[0], in->arguments[1], tolerance, stdout, e);
}

/* Standard input to its end. */
static Status read_input(Text *t, Error *e)
{
    char piece[65536];
    size_t n;
    while ((n = fread(piece, 1, sizeof piece, stdin)) > 0)
        if (!text_add_bytes(t, piece, n, e))
            return NO_MEMORY;
    return ferror(stdin) ? error_set(e, FAILED, "standard input: cannot read") : OK;
}

Status command_tokenize(Invocation *in, Error *e)
{
    const char *model = NULL;
    bool decode = false;
    const Option options[] = {{.name = "model", .takes_value = true, .value = &model}, {.name = "decode", .given = &decode}, {0}};
    Text input = {0}, output = {0};
    Status status = options_parse(options, in->arguments, &in->count, e);
    if (status == OK)
        status = no_more_arguments(in, e);
    if (status == OK)
        status = needs(model, "model", e);
    if (status == OK)
        status = read_input(&input, e);
    if (status == OK)
        status = tokenize_text(model, decode, text_string(&input), input.count, &output, e);
    if (status == OK && fwrite(text_string(&output), 1, output.count, stdout) != output.count)
        status = error_set(e, FAILED, "standard output: cannot write");
    text_free(&input);
    text_free(&output);
    return status;
}
