#include "fuzz/readers.h"

#include "fixture/scratch.h"

#include "image/image.h"

#include <stdlib.h>
#include <string.h>

/* A promise that was broken. */
static void demand(bool kept)
{
    if (!kept)
        abort();
}

static void demand_verdict(Status status)
{
    demand(status == OK || status == BAD_INPUT);
}

/* The bytes as a file, in a folder that lives as long as the process. */
static const char *as_file(const uint8_t *bytes, size_t count)
{
    static Scratch scratch;
    if (!*scratch.folder)
        scratch_make(&scratch);
    return scratch_write(&scratch, "input", bytes, count);
}

/* A picture that is read has the pixels that it says. */
static void read_picture(const uint8_t *bytes, size_t count)
{
    Image im;
    Error e = {0};
    demand_verdict(image_read(&im, as_file(bytes, count), &e));
    demand((e.status == OK) == (im.data != NULL));
    unsigned sum = 0;
    for (int64_t i = 0; i < im.width * im.height * 3; i++)
        sum += im.data[i];
    demand(sum < UINT32_MAX);
    image_free(&im);
}

const FuzzReader fuzz_readers[] = {{"picture", read_picture}, {NULL, NULL}};

const FuzzReader *fuzz_reader(const char *name)
{
    for (const FuzzReader *r = fuzz_readers; r->name; r++)
        if (!strcmp(r->name, name))
            return r;
    return NULL;
}
