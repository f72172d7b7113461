/* The arena: what it hands out does not overlap, and passes of changing shapes leave no heap of
 * blocks behind. */
#define _XOPEN_SOURCE 700

#include "base/memory.h"
#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#define forbidden(address) __asan_address_is_poisoned(address)
enum { GUARDED = 1 };
#else
#define forbidden(address) ((void)(address), 0)
enum { GUARDED = 0 };
#endif

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

/* A pass in parts, each released before the next: what a part left free serves the next one, whose pieces are of other
 * sizes, in the first pass too. */
static void test_parts_share(void **state)
{
    enum { NEARLY_MIB = (1 << 20) - 4096 };
    static const struct {
        int pieces, mib;
    } parts[] = {{100, 2}, {9, 20}, {1, 160}, {50, 3}, {3, 60}};
    (void)state;
    Arena a;
    Error e = {0};
    arena_init(&a);
    char *kept = arena_copy(&a, "kept", &e);
    const ArenaMark mark = arena_mark(&a);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        for (int k = 0; k < parts[i].pieces; k++)
            assert_non_null(arena_alloc(&a, parts[i].mib, NEARLY_MIB, &e));
        arena_release(&a, mark);
        if (a.held > a.peak + a.peak / 4)
            fail_msg("part %zu: %zu bytes of blocks, where the largest part took %zu; read block_take in "
                     "src/base/memory.c",
                     i, a.held, a.peak);
    }
    assert_string_equal(kept, "kept");
    arena_free(&a);
    assert_int_equal(a.held, 0);
}

/* What is expected is one block, however it is then divided. */
static void test_expected(void **state)
{
    (void)state;
    Arena a;
    Error e = {0};
    arena_init(&a);
    char *kept = arena_copy(&a, "kept", &e);
    a.expected = 100 << 20;
    for (uint64_t n = 0; n < 3; n++) {
        const ArenaMark mark = arena_mark(&a);
        pass(&a, n, &e);
        assert_true(a.held == a.expected && a.peak < a.held);
        arena_release(&a, mark);
    }
    assert_non_null(arena_alloc(&a, 200 << 20, 1, &e)); /* and more, where that was wrong */
    assert_string_equal(kept, "kept");
    arena_free(&a);
}

/* Many lists side by side: what stands in one is never moved over another. */
static void test_reserve(void **state)
{
    (void)state;
    enum { LISTS = 5, LONG = 1000 };
    Error e = {0};
    int *list[LISTS] = {0};
    int64_t capacity[LISTS] = {0};
    for (int i = 0; i < LONG; i++)
        for (int k = 0; k < LISTS; k++) {
            list[k] = memory_reserve(list[k], i, &capacity[k], sizeof *list[k], &e);
            assert_true(capacity[k] > i);
            list[k][i] = i + k * LONG;
        }
    Error failed = {.status = FAILED, .text = "before"};
    for (int k = 0; k < LISTS; k++) {
        int64_t before = capacity[k];
        assert_ptr_equal(memory_reserve(list[k], before, &capacity[k], sizeof *list[k], &failed), list[k]);
        assert_int_equal(capacity[k], before);
        for (int i = 0; i < LONG; i++)
            assert_int_equal(list[k][i], i + k * LONG);
        free(list[k]);
    }
}

/* Sizes that cannot be had are errors, not a crash and not less than was asked for. */
static void test_too_much(void **state)
{
    (void)state;
    static const int64_t counts[] = {-1, INT64_MAX, INT64_MAX / 8, INT64_MAX / 64};
    Arena a;
    arena_init(&a);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        Error e[3] = {{0}};
        assert_null(memory_new(counts[i], 64, &e[0]));
        assert_null(memory_grow(NULL, counts[i], 64, &e[1]));
        assert_null(arena_alloc(&a, counts[i], 64, &e[2]));
        for (int k = 0; k < 3; k++)
            assert_int_equal(e[k].status, NO_MEMORY);
    }
    arena_free(&a);
}

/* No bytes are a valid pointer, and new memory is cleared. */
static void test_small(void **state)
{
    (void)state;
    Error e = {0};
    Arena a;
    arena_init(&a);
    void *none[] = {memory_new(0, 8, &e), memory_grow(NULL, 0, 8, &e), memory_new(8, 0, &e)};
    for (int i = 0; i < 3; i++) {
        assert_non_null(none[i]);
        free(none[i]);
    }
    assert_non_null(arena_alloc(&a, 0, 8, &e));
    for (int pass = 0; pass < 2; pass++) {
        ArenaMark mark = arena_mark(&a);
        unsigned char *bytes = arena_zero(&a, 100, 3, &e);
        for (int i = 0; i < 300; i++)
            assert_int_equal(bytes[i], 0);
        memset(bytes, 1, 300);
        arena_release(&a, mark);
    }
    char *copy = memory_copy_bytes("abc", 2, &e);
    assert_string_equal(copy, "ab");
    free(copy);
    assert_int_equal(e.status, OK);
    arena_free(&a);
}

/* Under the address sanitizer: nothing but what was handed out, and is not released, may be touched. */
static void test_forbidden(void **state)
{
    (void)state;
    Error e = {0};
    Arena a;
    arena_init(&a);
    char *first = arena_alloc(&a, 1, 3, &e);
    const ArenaMark mark = arena_mark(&a);
    for (int pass = 0; pass < 2; pass++) {
        char *second = arena_alloc(&a, 1, 128, &e);
        assert_int_equal(forbidden(first + 2), 0);
        assert_int_equal(forbidden(second + 127), 0);
        assert_int_equal(forbidden(first + 3), GUARDED);
        assert_int_equal(forbidden(second - 1), GUARDED);
        assert_int_equal(forbidden(second + 128), GUARDED);
        arena_release(&a, mark);
        assert_int_equal(forbidden(first + 2), 0);
        assert_int_equal(forbidden(second), GUARDED);
    }
    assert_int_equal(e.status, OK);
    arena_free(&a);
}

/* The numbers of the system: this process fits into what it may take, and has a size. */
static void test_system(void **state)
{
    (void)state;
    struct rlimit before;
    assert_true(memory_peak() > 1 << 20);
    assert_true(memory_available() > 1 << 20);
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    struct rlimit small = before;
    small.rlim_cur = (rlim_t)1 << 46; /* far beyond any machine */
    if (setrlimit(RLIMIT_AS, &small))
        return;
    uint64_t wide = memory_available();
    small.rlim_cur = (rlim_t)1 << 20; /* less than this process has already */
    setrlimit(RLIMIT_AS, &small);
    uint64_t none = memory_available();
    setrlimit(RLIMIT_AS, &before);
    assert_true(wide > 1 << 20);
    assert_true(none == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_passes),   cmocka_unit_test(test_marks),     cmocka_unit_test(test_parts_share),
        cmocka_unit_test(test_expected), cmocka_unit_test(test_reserve),   cmocka_unit_test(test_too_much),
        cmocka_unit_test(test_small),    cmocka_unit_test(test_forbidden), cmocka_unit_test(test_system)};
    return cmocka_run_group_tests_name("base/memory", tests, NULL, NULL);
}
