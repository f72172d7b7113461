/* Every file of golden/fuzz, as it is and with bytes changed, through its reader: what fuzzing found
 * once, and what leads it to many places. The changes are the same each time. */
#include "fuzz/readers.h"

#include "base/file.h"
#include "base/folder.h"
#include "base/memory.h"
#include "base/path.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* How often each file is changed: 40 times, or as FUZZ_CHANGES in the environment says (make fuzz without clang).
 * FUZZ_READER: only that reader. */
static int changes(void)
{
    const char *text = getenv("FUZZ_CHANGES");
    return text ? atoi(text) : 40;
}

static uint32_t next(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

/* Up to four bytes changed, or the end cut off, or a piece repeated. `bytes` has room for twice `count`;
 * the new length. */
static size_t change(unsigned char *bytes, size_t count, uint32_t *seed)
{
    if (!count)
        return 0;
    const size_t at = next(seed) % count;
    const uint32_t kind = next(seed) % 8;
    if (kind == 0)
        return at;
    if (kind == 1) {
        memmove(bytes + count, bytes + at, count - at);
        return 2 * count - at;
    }
    for (uint32_t i = 0; i <= kind % 4; i++)
        bytes[next(seed) % count] = (unsigned char)next(seed);
    return count;
}

static void replay(const FuzzReader *r, const char *path)
{
    Error e = {0};
    FileMap map = {0};
    uint32_t seed = 1;
    file_map(&map, path, &e);
    unsigned char *bytes = memory_new((int64_t)(2 * map.size), 1, &e);
    if (e.status != OK)
        fail_msg("%s", e.text);
    r->run(map.size ? map.data : (const unsigned char *)"", map.size);
    for (int i = 0; i < changes(); i++) {
        if (map.size)
            memcpy(bytes, map.data, map.size);
        r->run(bytes, change(bytes, map.size, &seed));
    }
    free(bytes);
    file_unmap(&map);
}

static void test_corpus(void **state)
{
    (void)state;
    for (const FuzzReader *r = fuzz_readers; r->name; r++) {
        Error e = {0};
        char **names;
        int64_t count;
        const char *only = getenv("FUZZ_READER");
        if (only && strcmp(only, r->name))
            continue;
        char *folder = path_join("golden/fuzz", r->name, &e);
        if (folder_list(&names, &count, folder, NULL, &e) != OK || !count)
            fail_msg("golden/fuzz/%s: %s", r->name, count ? e.text : "no file");
        for (int64_t i = 0; i < count; i++) {
            char *path = path_join(folder, names[i], &e);
            print_message("  %s\n", path); /* the last one printed is the one that ended the program */
            replay(r, path);
            free(path);
        }
        names_free(names, count);
        free(folder);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_corpus)};
    return cmocka_run_group_tests_name("fuzz/replay", tests, NULL, NULL);
}
