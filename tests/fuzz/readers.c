#include "fuzz/readers.h"

#include "fixture/scratch.h"

#include <stdlib.h>
#include <string.h>

const FuzzReader fuzz_readers[] = {
    {"safetensors", fuzz_safetensors},
    {"index", fuzz_index},
    {"config", fuzz_config},
    {"preprocessor", fuzz_preprocessor},
    {"tokenizer", fuzz_tokenizer},
    {"sentencepiece", fuzz_sentencepiece},
    {"tiktoken", fuzz_tiktoken},
    {"text", fuzz_text},
    {"picture", fuzz_picture},
    {"dataset", fuzz_dataset},
    {"ini", fuzz_ini},
    {"reply", fuzz_reply},
    {"journal", fuzz_journal},
    {"state", fuzz_state},
    {NULL, NULL},
};

const FuzzReader *fuzz_reader(const char *name)
{
    for (const FuzzReader *r = fuzz_readers; r->name; r++)
        if (!strcmp(r->name, name))
            return r;
    return NULL;
}

void demand(bool kept)
{
    if (!kept)
        abort();
}

void demand_verdict(const Error *e)
{
    demand(e->status == OK || e->status == BAD_INPUT);
    demand((e->status == OK) == !*e->text);
}

/* Lives as long as the process. */
static Scratch *scratch(void)
{
    static Scratch s;
    if (!*s.folder)
        scratch_make(&s);
    return &s;
}

const char *fuzz_path(const char *name)
{
    return scratch_path(scratch(), name);
}

const char *fuzz_file(const char *name, const uint8_t *bytes, size_t count)
{
    return scratch_write(scratch(), name, bytes, count);
}
