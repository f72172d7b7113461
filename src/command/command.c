/* What several commands do: checking their options, opening a model, writing their result. */
#include "command/command.h"

#include "base/printable.h"
#include "base/text.h"
#include "base/word.h"
#include "model/adapter.h"

#include <stdio.h>

Status command_options(Invocation *in, const Option *options, Error *e)
{
    options_parse(options, in->arguments, &in->count, e);
    if (e->status == OK && in->count)
        error_arguments(e, "unexpected argument %s", in->arguments[0]);
    return e->status;
}

Status command_needs(const char *value, const char *option, Error *e)
{
    if (e->status == OK && !value)
        error_arguments(e, "--%s is needed", option);
    return e->status;
}

Status command_integer(const char *value, const char *option, int64_t low, int64_t high, int64_t *number,
                       Error *e)
{
    int64_t parsed = 0;
    if (e->status != OK || !value)
        return e->status;
    if (!parse_integer(value, &parsed) || parsed < low || parsed > high)
        return error_arguments(e, "--%s %s: wanted an integer from %lld to %lld", option, value,
                               (long long)low, (long long)high);
    *number = parsed;
    return OK;
}

Status command_open_model(const Invocation *in, Vlm *vlm, const char *folder, const char *adapter, Error *e)
{
    if (vlm_open(vlm, folder, e) == OK && *vlm->warning)
        log_warning(&in->log, "%s", vlm->warning);
    if (adapter)
        adapter_load(vlm, adapter, e);
    return e->status;
}

/* To a terminal: printable. */
static Status print_on_terminal(const char *bytes, size_t count, Error *e)
{
    Text t = {0};
    text_add_bytes(&t, bytes, count, e);
    for (size_t i = 0; i < t.count; i++)
        if (!t.data[i])
            t.data[i] = '?';
    if (e->status == OK)
        printable_printf(stdout, "%s", text_string(&t));
    text_free(&t);
    return e->status;
}

Status command_print(const char *bytes, size_t count, Error *e)
{
    if (output_is_terminal())
        return print_on_terminal(bytes, count, e);
    if (e->status == OK && fwrite(bytes, 1, count, stdout) != count)
        error_set(e, FAILED, "standard output: cannot write");
    return e->status;
}
