/* The arena: what it hands out does not overlap, and passes of changing shapes leave no heap of
 * blocks behind. */
#define _XOPEN_SOURCE 700

#include "base/memory.h"
#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { PARTS = 40, PASSES = 50 };

/* One pass: parts of random sizes, each full of its number, all still so at the end. */
static void pass(Arena *a, uint64_t n, Error *e)
{
    unsigned char *part[PARTS];
    int64_t size[PARTS];
    for (int i = 0; i < PARTS; i++) {
        size[i] = (int64_t)(random_unit(3, n, (uint64_t)i) * 400000);
        part[i] = arena_alloc(a, size[i], 1, e);
        assert_non_null(part[i]);
        assert_int_equal((uintptr_t)part[i] % 64, 0);
        memset(part[i], i, (size_t)size[i]);
    }
    for (int i = 0; i < PARTS; i++)
        for (int64_t k = 0; k < size[i]; k++)
            if (part[i][k] != i)
                fail_msg("part %d of pass %d was written over; read src/base/memory.c", i, (int)n);
}

static void test_passes(void **state)
{
    (void)state;
    Arena a;
    Error e = {0};
    arena_init(&a);
    ArenaMark empty = arena_mark(&a);
    for (uint64_t n = 0; n < PASSES; n++) {
        pass(&a, n, &e);
        arena_release(&a, empty);
    }
    pass(&a, 0, &e);
    assert_ptr_equal(a.current, a.first); /* one block of the size that was ever needed */
    arena_free(&a);
}

static void test_marks(void **state)
{
    (void)state;
    Arena a;
    Error e = {0};
    arena_init(&a);
    char *kept = arena_copy(&a, "kept", &e);
    ArenaMark mark = arena_mark(&a);
    for (uint64_t n = 0; n < 3; n++) {
        pass(&a, n, &e);
        arena_release(&a, mark);
    }
    assert_string_equal(kept, "kept");
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_passes), cmocka_unit_test(test_marks)};
    return cmocka_run_group_tests_name("base/memory", tests, NULL, NULL);
}
