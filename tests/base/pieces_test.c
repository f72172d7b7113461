/* Files in pieces: src/base/file.c (FileWriter, FileReader, file_map_release), HashStream of src/base/hash.c. */
#define _XOPEN_SOURCE 700

#include "fixture/must.h"
#include "fixture/scratch.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

enum { SIZE = 4 << 20 };

static unsigned char *some_bytes(size_t count)
{
    Error e = {0};
    unsigned char *bytes = memory_new((int64_t)count, 1, &e);
    must(&e);
    for (size_t i = 0; i < count; i++)
        bytes[i] = (unsigned char)(i * 7 + i / 251);
    return bytes;
}

/* Pieces of any length have the hash of the whole. */
static void test_hash_stream(void **state)
{
    (void)state;
    enum { COUNT = 1003 };
    unsigned char *bytes = some_bytes(COUNT);
    for (size_t piece = 1; piece < 40; piece++) {
        HashStream s = {.hash = HASH_START};
        for (size_t i = 0; i < COUNT; i += piece) {
            hash_stream_add(&s, bytes + i, piece < COUNT - i ? piece : COUNT - i);
            hash_stream_add(&s, NULL, 0);
        }
        assert_true(hash_stream_end(&s) == hash_words(HASH_START, bytes, COUNT));
    }
    free(bytes);
}

static void test_pieces(void **state)
{
    (void)state;
    Scratch s;
    Error e = {0};
    FileWriter w;
    FileReader r;
    char got[8];
    scratch_make(&s);
    file_begin(&w, scratch_path(&s, "pieces"), &e);
    file_put(&w, "abc", 3, &e);
    file_put(&w, "defghijkl", 9, &e);
    const uint64_t hash = hash_stream_end(&w.hash);
    file_commit(&w, &e);
    assert_true(hash == file_hash(scratch_path(&s, "pieces"), &e));
    file_open(&r, scratch_path(&s, "pieces"), &e);
    assert_int_equal(file_get(&r, got, 5, &e), OK);
    assert_memory_equal(got, "abcde", 5);
    r.at = 8;
    assert_int_equal(file_get(&r, got, 4, &e), OK);
    assert_memory_equal(got, "ijkl", 4);
    must(&e);
    assert_int_equal(file_get(&r, got, 1, &e), BAD_INPUT);
    assert_non_null(strstr(e.text, "pieces: ends after 12 bytes"));
    file_close(&r);
    assert_int_equal(file_open(&r, "unused", &e), BAD_INPUT); /* after a failure nothing is opened */
    file_close(&r);
    scratch_remove(&s);
}

static long faults(void)
{
    struct rusage u;
    assert_int_equal(getrusage(RUSAGE_SELF, &u), 0);
    return u.ru_minflt + u.ru_majflt;
}

static int sum_of_pages(const FileMap *m)
{
    int sum = 0;
    for (size_t i = 0; i < m->size; i += 4096)
        sum += m->data[i];
    return sum;
}

/* What was given back is fetched from the file again, with the same values; what was not is there. */
static void test_release(void **state)
{
    (void)state;
    Scratch s;
    Error e = {0};
    FileMap m;
    unsigned char *bytes = some_bytes(SIZE);
    scratch_make(&s);
    file_map(&m, scratch_write(&s, "map", bytes, SIZE), &e);
    must(&e);
    const int sum = sum_of_pages(&m);
    const long before = faults();
    assert_int_equal(sum_of_pages(&m), sum);
    const long again = faults() - before;
    file_map_release(m.data + 100, SIZE - 200);
    file_map_release(NULL, 0);
    assert_int_equal(sum_of_pages(&m), sum);
    const long released = faults() - before - again;
    if (released <= again)
        fail_msg("%ld pages were fetched again after they were given back, %ld before: read file_map_release",
                 released, again);
    assert_memory_equal(m.data, bytes, SIZE);
    file_unmap(&m);
    free(bytes);
    scratch_remove(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_hash_stream), cmocka_unit_test(test_pieces),
                                       cmocka_unit_test(test_release)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
