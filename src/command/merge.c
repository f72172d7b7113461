/* `mpa merge`: a LoRA adapter added to the weights of its checkpoint, w + scale B A. */
#include "command/command.h"

#include "base/file.h"
#include "config/config.h"
#include "train/save.h"

#include <string.h>

static Status parse_dtype(const char *word, int *dtype, Error *e)
{
    *dtype = DTYPE_AS_STUDENT;
    if (e->status != OK || !word)
        return e->status;
    if (!strcmp(word, "float32"))
        *dtype = DTYPE_FLOAT32;
    else if (!strcmp(word, "bfloat16"))
        *dtype = DTYPE_BFLOAT16;
    else
        error_arguments(e, "--dtype %s: wanted float32 or bfloat16", word);
    return e->status;
}

static Status run(Invocation *in, Error *e)
{
    const char *model = NULL;
    const char *adapter = NULL;
    const char *out = NULL;
    const char *type = NULL;
    int dtype;
    Vlm vlm = {0};
    const Option options[] = {{.name = "model", .takes_value = true, .value = &model},
                              {.name = "adapter", .takes_value = true, .value = &adapter},
                              {.name = "out", .takes_value = true, .value = &out},
                              {.name = "dtype", .takes_value = true, .value = &type},
                              {0}};
    command_options(in, options, e);
    command_needs(model, "model", e);
    command_needs(adapter, "adapter", e);
    command_needs(out, "out", e);
    parse_dtype(type, &dtype, e);
    if (e->status == OK && file_exists(out))
        error_set(e, BAD_USAGE, "--out %s: is there already; name a new folder, or remove it", out);
    if (command_open_model(in, &vlm, model, adapter, e) == OK)
        save_checkpoint(&vlm, out, dtype, false, e);
    vlm_close(&vlm);
    return e->status;
}

const Command command_merge = {
    "merge", run, "--model DIR --adapter DIR --out DIR [--dtype float32|bfloat16]",
    "write a checkpoint with a LoRA adapter merged into its weights",
    "The adapter is a folder in PEFT's form; OUT has the files of MODEL, with other weights.\n"
    "  --dtype TYPE         number type of all weights written (default: of each tensor as it is in "
    "MODEL)\n"};
