/* `mpa tokenize`: text to token ids and back. Only the tokenizer's files of the folder are read. */
#include "command/command.h"

#include "base/json.h"
#include "base/utf8.h"
#include "text/tokenizer.h"

#include <stdio.h>

static Status read_input(Text *t, Error *e)
{
    char piece[65536];
    size_t n = fread(piece, 1, sizeof piece, stdin);
    while (n && e->status == OK) {
        text_add_bytes(t, piece, n, e);
        n = fread(piece, 1, sizeof piece, stdin);
    }
    if (e->status == OK && ferror(stdin))
        error_set(e, FAILED, "standard input: cannot read");
    return e->status;
}

/* The ids of the input as a JSON array, and a line end. */
static Status encode(const Tokenizer *t, const Text *input, Text *output, Error *e)
{
    Ids ids = {0};
    tokenizer_encode(t, &ids, text_string(input), input->count, e);
    text_add(output, "[", e);
    for (int64_t i = 0; i < ids.count && e->status == OK; i++)
        text_format(output, e, "%s%d", i ? ", " : "", (int)ids.data[i]);
    text_add(output, "]\n", e);
    ids_free(&ids);
    return e->status;
}

static Status read_ids(Ids *ids, const Text *input, Error *e)
{
    json_error_t why;
    json_t *list = json_loadb(text_string(input), input->count, 0, &why);
    if (!list)
        return error_set(e, BAD_INPUT, "standard input:%d: not valid JSON: %s", why.line, why.text);
    if (!json_is_array(list))
        error_set(e, BAD_INPUT, "standard input: wanted a JSON array of ids, found %s", json_kind(list));
    for (size_t i = 0; i < json_array_size(list) && e->status == OK; i++) {
        const json_t *v = json_array_get(list, i);
        if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > INT32_MAX)
            error_set(e, BAD_INPUT, "standard input: element %zu: wanted a token id, found %s", i,
                      json_kind(v));
        else
            ids_add(ids, (int32_t)json_integer_value(v), e);
    }
    json_decref(list);
    return e->status;
}

/* The text of the ids, special tokens kept, nothing added. */
static Status decode(const Tokenizer *t, const Text *input, Text *output, Error *e)
{
    Ids ids = {0};
    Text raw = {0};
    read_ids(&ids, input, e);
    tokenizer_decode(t, &raw, ids.data, ids.count, false, e);
    utf8_repair(output, text_string(&raw), raw.count, e);
    ids_free(&ids);
    text_free(&raw);
    return e->status;
}

static Status run(Invocation *in, Error *e)
{
    const char *model = NULL;
    bool back = false;
    Text input = {0};
    Text output = {0};
    const Option options[] = {
        {.name = "model", .takes_value = true, .value = &model}, {.name = "decode", .given = &back}, {0}};
    command_options(in, options, e);
    command_needs(model, "model", e);
    if (e->status == OK)
        read_input(&input, e);
    Tokenizer *t = tokenizer_open(model, e);
    if (t)
        back ? decode(t, &input, &output, e) : encode(t, &input, &output, e);
    command_print(text_string(&output), output.count, e);
    tokenizer_close(t);
    text_free(&input);
    text_free(&output);
    return e->status;
}

const Command command_tokenize = {"tokenize", run, "--model DIR [--decode]",
                                  "standard input to a JSON array of token ids, or back", ""};
