/* What libFuzzer calls: the reader that FUZZ_READER in the environment names. Linked into $(B)/fuzz only. */
#include "fuzz/readers.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static const FuzzReader *reader;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    const char *name = getenv("FUZZ_READER");
    reader = name ? fuzz_reader(name) : NULL;
    if (!reader) {
        fprintf(stderr, "fuzz: FUZZ_READER must name a reader of tests/fuzz/readers.c\n");
        exit(2);
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    reader->run(bytes, count);
    return 0;
}
