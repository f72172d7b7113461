#include "command/tokenize.h"

#include "base/options.h"
#include "command/command.h"
#include "base/path.h"
#include "base/utf8.h"
#include "base/json.h"
#include "text/tokenizer.h"

#include <stdlib.h>

static Status encode(const Tokenizer *t, const char *input, size_t count, Text *output, Error *e)
{
    Ids ids = {0};
    Status status = tokenizer_encode(t, &ids, input, count, e);
    if (status == OK && !text_add(output, "[", e))
        status = NO_MEMORY;
    for (int64_t i = 0; i < ids.count && status == OK; i++)
        if (!text_format(output, e, "%s%d", i ? ", " : "", (int)ids.data[i]))
            status = NO_MEMORY;
    if (status == OK && !text_add(output, "]\n", e))
        status = NO_MEMORY;
    ids_free(&ids);
    return status;
}

static Status read_ids(Ids *ids, const char *input, size_t count, Error *e)
{
    json_error_t why;
    json_t *list = json_loadb(input, count, 0, &why), *v;
    size_t i;
    if (!list)
        return error_set(e, BAD_INPUT, "standard input:%d: not valid JSON: %s", why.line, why.text);
    Status status = json_is_array(list)
                        ? OK
                        : error_set(e, BAD_INPUT, "standard input: wanted a JSON array of ids, found %s",
                                    json_kind(list));
    json_array_foreach(list, i, v)
    {
        if (status == OK &&
            (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > INT32_MAX))
            status = error_set(e, BAD_INPUT, "standard input: element %zu: wanted a token id, found %s", i,
                               json_kind(v));
        if (status == OK && !ids_add(ids, (int32_t)json_integer_value(v), e))
            status = NO_MEMORY;
    }
    json_decref(list);
    return status;
}

static Status decode_ids(const Tokenizer *t, const char *input, size_t count, Text *output, Error *e)
{
    Ids ids = {0};
    Text raw = {0};
    Status status = read_ids(&ids, input, count, e);
    if (status == OK)
        status = tokenizer_decode(t, &raw, ids.data, ids.count, false, e);
    if (status == OK && !utf8_repair(output, text_string(&raw), raw.count, e))
        status = NO_MEMORY;
    ids_free(&ids);
    text_free(&raw);
    return status;
}

Status tokenize_text(const char *folder, bool decode, const char *input, size_t count, Text *output, Error *e)
{
    char *path = path_join(folder, "tokenizer.json", e);
    Tokenizer *t = path ? tokenizer_open(path, e) : NULL;
    if (t)
        (decode ? decode_ids : encode)(t, input, count, output, e);
    tokenizer_close(t);
    free(path);
    return e->status;
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
    const Option options[] = {
        {.name = "model", .takes_value = true, .value = &model}, {.name = "decode", .given = &decode}, {0}};
    Text input = {0}, output = {0};
    Status status = options_parse(options, in->arguments, &in->count, e);
    if (status == OK)
        status = command_no_arguments(in, e);
    if (status == OK)
        status = command_needs(model, "model", e);
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
