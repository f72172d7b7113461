#include "fuzz/readers.h"

#include "fixture/scratch.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

static Scratch scratch;

static void remove_scratch(void)
{
    scratch_remove(&scratch);
}

/* Lives as long as the process. */
static Scratch *folder(void)
{
    if (!*scratch.folder) {
        scratch_make(&scratch);
        atexit(remove_scratch);
    }
    return &scratch;
}

const char *fuzz_path(const char *name)
{
    return scratch_path(folder(), name);
}

/* Over the old bytes, and cut then: the fastest way to have a file of these bytes. */
const char *fuzz_file(const char *name, const uint8_t *bytes, size_t count)
{
    const char *path = fuzz_path(name);
    const int fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW, 0600);
    demand(fd >= 0 && write(fd, bytes, count) == (ssize_t)count && !ftruncate(fd, (off_t)count) &&
           !close(fd));
    return path;
}
