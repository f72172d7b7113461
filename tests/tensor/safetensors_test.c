/* Reading safetensors: the same files accepted and refused as by the reference
 * (ref/golden_tensor.py). Writing: what is read back. */
#include "fixture/scratch.h"

#include "base/bytes.h"
#include "base/json.h"
#include "base/memory.h"
#include "tensor/safetensors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A file with the length of its header in front. */
static void put_file(Text *t, const Text *header, const void *data, size_t count)
{
    char length[8];
    store_u64(length, header->count);
    assert_int_equal(text_add_bytes(t, length, 8, &(Error){0}), OK);
    assert_int_equal(text_add_bytes(t, text_string(header), header->count, &(Error){0}), OK);
    assert_int_equal(text_add_bytes(t, data, count, &(Error){0}), OK);
}

static void repeat(Text *t, char byte, size_t bytes)
{
    char many[10000];
    memset(many, byte, sizeof many);
    while (t->count < bytes) {
        const size_t left = bytes - t->count;
        assert_int_equal(text_add_bytes(t, many, left < sizeof many ? left : sizeof many, &(Error){0}), OK);
    }
}

/* The files too large to be kept. */
static void build_file(Text *t, const char *name)
{
    Text header = {0};
    unsigned char ones[3000];
    size_t data = 0;
    memset(ones, 1, sizeof ones);
    if (!strcmp(name, "3000-tensors")) {
        data = 3000;
        for (int i = 0; i < 3000; i++)
            assert_int_equal(
                text_format(&header, &(Error){0},
                            "%s\"t%d\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[%d,%d]}",
                            i ? "," : "{", i, i, i + 1),
                OK);
        assert_int_equal(text_add(&header, "}", &(Error){0}), OK);
    } else if (!strcmp(name, "100k-nesting")) {
        assert_int_equal(text_add(&header, "{\"a\":", &(Error){0}), OK);
        repeat(&header, '[', 100005);
        repeat(&header, ']', 200005);
        assert_int_equal(text_add(&header, "}", &(Error){0}), OK);
    } else {
        unsigned long size = strtoul(name + strlen("header-"), NULL, 10);
        assert_true(size > 1000);
        assert_int_equal(text_add(&header, "{}", &(Error){0}), OK);
        repeat(&header, ' ', size);
    }
    put_file(t, &header, ones, data);
    text_free(&header);
}

static void read_hex(Text *t, const char *hex)
{
    for (; *hex; hex += 2) {
        unsigned v;
        assert_int_equal(sscanf(hex, "%2x", &v), 1);
        unsigned char c = (unsigned char)v;
        assert_int_equal(text_add_bytes(t, &c, 1, &(Error){0}), OK);
    }
}

static void test_verdicts(void **state)
{
    (void)state;
    Json list;
    Error e = {0};
    Scratch scratch;
    scratch_make(&scratch);
    if (json_open(&list, "golden/tensor/headers.json", 1 << 24, &e) != OK)
        fail_msg("%s", e.text);
    size_t i;
    json_t *c;
    int failed = 0;
    int accepted = 0;
    json_array_foreach(list.root, i, c)
    {
        const char *name = json_string_value(json_object_get(c, "name"));
        const char *hex = json_string_value(json_object_get(c, "file"));
        bool accept = json_is_true(json_object_get(c, "accept"));
        Text file = {0};
        if (hex)
            read_hex(&file, hex);
        else
            build_file(&file, name);
        const char *path = scratch_write(&scratch, "weights", text_string(&file), file.count);
        SafeTensors s;
        Error why = {0};
        Status status = safetensors_open(&s, path, &why);
        if (status != (accept ? OK : BAD_INPUT) || (!accept && !strstr(why.text, path))) {
            print_error("golden/tensor/headers: %s: the reference says \"%s\", we have status %d: %s; "
                        "read src/tensor/safetensors.c\n",
                        name, json_string_value(json_object_get(c, "reference")), (int)status, why.text);
            failed++;
        }
        accepted += status == OK;
        safetensors_close(&s);
        text_free(&file);
    }
    print_message("  %zu files, %d accepted\n", json_array_size(list.root), accepted);
    assert_true(json_array_size(list.root) >= 90 && accepted >= 40);
    assert_int_equal(failed, 0);
    json_close(&list);
    scratch_remove(&scratch);
}

static void write_text(Scratch *scratch, const char *header, size_t data)
{
    Text h = {0};
    Text t = {0};
    unsigned char bytes[64] = {0};
    assert_int_equal(text_add(&h, header, &(Error){0}), OK);
    put_file(&t, &h, bytes, data);
    scratch_write(scratch, "weights", t.data, t.count);
    text_free(&h);
    text_free(&t);
}

static void refused(Scratch *scratch, const char *word)
{
    SafeTensors s;
    Error e = {0};
    assert_int_equal(safetensors_open(&s, scratch_path(scratch, "weights"), &e), BAD_INPUT);
    if (!strstr(e.text, word))
        fail_msg("\"%s\" does not say \"%s\"", e.text, word);
}

static void test_messages(void **state)
{
    (void)state;
    Scratch s;
    scratch_make(&s);
    write_text(&s, "{\"w.x\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", 8);
    refused(&s, "w.x");
    write_text(&s, "{\"w.x\":{\"dtype\":\"Q4\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8);
    refused(&s, "Q4");
    write_text(&s, "{\"w.x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 7);
    refused(&s, "complete");
    write_text(&s, "{\"w.x\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}",
               4);
    refused(&s, "dimensions");
    write_text(&s, "{\"w.x\":{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,1]}}", 1);
    refused(&s, "w.x: data_offsets"); /* 12 bits are no whole bytes */
    scratch_write(&s, "weights", "version https://git-lfs.github.com/spec/v1\n", 43);
    refused(&s, "git-lfs");
    scratch_write(&s, "weights", "  <html>", 8);
    refused(&s, "web page");
    scratch_remove(&s);
}

/* A good file cut at every byte, and with every byte changed: accepted or refused, never
 * anything else. */
static void test_every_byte(void **state)
{
    (void)state;
    Scratch scratch;
    scratch_make(&scratch);
    write_text(
        &scratch,
        "{\"__metadata__\":{\"a\":\"b\"},\"w\":{\"dtype\":\"BF16\",\"shape\":[2,2],\"data_offsets\":[4,12]},"
        "\"v\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}",
        12);
    Text good = {0};
    Text bad = {0};
    assert_int_equal(file_read(&good, scratch_path(&scratch, "weights"), 1000, &(Error){0}), OK);
    for (size_t i = 0; i < good.count * 4; i++) {
        static const char flips[3] = {1, 0x10, 0x40};
        text_clear(&bad);
        assert_int_equal(text_add_bytes(&bad, good.data, good.count, &(Error){0}), OK);
        size_t at = i / 4;
        size_t count = i % 4 == 3 ? at : good.count;
        if (i % 4 < 3)
            bad.data[at] = (char)(bad.data[at] ^ flips[i % 4]);
        SafeTensors s;
        Error e = {0};
        Status status = safetensors_open(&s, scratch_write(&scratch, "weights", bad.data, count), &e);
        assert_true(status == OK || (status == BAD_INPUT && e.text[0]));
        assert_true(status != OK || count == good.count);
        safetensors_close(&s);
    }
    text_free(&good);
    text_free(&bad);
    scratch_remove(&scratch);
}

static void test_round_trip(void **state)
{
    (void)state;
    enum { LONG = 140000 }; /* several pieces */
    float *values = memory_new(LONG, sizeof *values, &(Error){0});
    for (int i = 0; i < LONG; i++)
        values[i] = (float)(i % 256) - 100;
    const int32_t ids[3] = {-1, 2147483647, 77};
    const TensorOut out[] = {{"half", BF16, 1, {5}, values, F32, NULL, false},
                             {"long", F32, 2, {2, LONG / 2}, values, F32, NULL, false},
                             {"ids\n\"\xC3\xA9", I32, 1, {3}, ids, F32, NULL, false},
                             {"f16", F16, 3, {3, 1, 3}, values, F32, NULL, false},
                             {"none", F32, 2, {0, 7}, values, F32, NULL, false},
                             {"scalar", F32, 0, {0}, values, F32, NULL, false}};
    Scratch scratch;
    scratch_make(&scratch);
    Error e = {0};
    if (safetensors_write(scratch_path(&scratch, "out"), out, 6, &e) != OK)
        fail_msg("%s", e.text);
    assert_false(file_exists(scratch_path(&scratch, "out.tmp")));
    SafeTensors s;
    if (safetensors_open(&s, scratch_path(&scratch, "out"), &e) != OK)
        fail_msg("%s", e.text);
    assert_int_equal(s.count, 6);
    assert_int_equal(load_u64(s.map.data) % 8, 0);
    for (int i = 0; i < 6; i++) {
        const Tensor *t = safetensors_find(&s, out[i].name);
        assert_non_null(t);
        assert_true(t->dtype == out[i].dtype && t->ndim == out[i].ndim &&
                    !memcmp(t->dim, out[i].dim, sizeof t->dim));
        assert_int_equal((size_t)(t->data - s.map.data) % dtype_size(t->dtype), 0);
    }
    const Tensor *half = safetensors_find(&s, "half");
    const Tensor *f16 = safetensors_find(&s, "f16");
    const Tensor *id = safetensors_find(&s, out[2].name);
    assert_memory_equal(id->data, "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F\x4D\0\0\0", 12);
    assert_memory_equal(half->data, "\xC8\xC2\xC6\xC2", 4); /* -100 is C2C8, -99 C2C6 */
    assert_memory_equal(f16->data, "\x40\xD6\x30\xD6", 4);  /* D640, D630 */
    assert_memory_equal(s.tensor[0].data, "\0\0\xC8\xC2", 4);
    assert_string_equal(s.tensor[s.count - 1].name, "f16");
    const unsigned char *last = safetensors_find(&s, "long")->data + 4 * (LONG - 1);
    assert_memory_equal(last, "\x00\x00\xF6\x42", 4); /* 123 */
    safetensors_close(&s);
    free(values);
    scratch_remove(&scratch);
}

/* Each type of numbers as float: 1.5 and -2, by their bytes. */
static void test_numbers(void **state)
{
    (void)state;
    static const char header[] = "{\"a\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[0,16]},"
                                 "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[16,24]},"
                                 "\"c\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[24,28]},"
                                 "\"d\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[28,32]}}";
    static const char data[32] = "\0\0\0\0\0\0\xF8\x3F\0\0\0\0\0\0\0\xC0"
                                 "\0\0\xC0\x3F\0\0\0\xC0"
                                 "\xC0\x3F\0\xC0"
                                 "\0\x3E\0\xC0";
    Scratch scratch;
    SafeTensors s;
    Text file = {0};
    Error e = {0};
    char size[8];
    scratch_make(&scratch);
    store_u64(size, sizeof header - 1);
    text_add_bytes(&file, size, sizeof size, &e);
    text_add(&file, header, &e);
    text_add_bytes(&file, data, sizeof data, &e);
    safetensors_open(&s, scratch_write(&scratch, "numbers", file.data, file.count), &e);
    assert_int_equal(e.status, OK);
    assert_int_equal(s.count, 4);
    for (int i = 0; i < 4; i++) {
        float out[2] = {0};
        assert_true(tensor_read(s.tensor + i, out));
        assert_true(out[0] == 1.5f && out[1] == -2);
    }
    safetensors_close(&s);
    text_free(&file);
    scratch_remove(&scratch);
}

static void test_write_failures(void **state)
{
    (void)state;
    const float x[2] = {1, 2};
    const TensorOut good = {"a", F32, 1, {2}, x, F32, NULL, false};
    const TensorOut odd = {"a", I64, 1, {1}, x, F32, NULL, false};
    Scratch scratch;
    scratch_make(&scratch);
    Error e = {0};
    assert_int_equal(safetensors_write(scratch_path(&scratch, "no/such/folder"), &good, 1, &e), FAILED);
    assert_true(strstr(e.text, "no/such/folder") != NULL);
    e = (Error){0};
    scratch_write(&scratch, "out", "old", 3);
    assert_int_equal(safetensors_write(scratch_path(&scratch, "out"), &odd, 1, &e), FAILED);
    assert_int_equal(file_size(scratch_path(&scratch, "out")), 3);
    assert_false(file_exists(scratch_path(&scratch, "out.tmp")));
    scratch_remove(&scratch);
}

/* Whoever is handed a failed Error does nothing and keeps its message. */
static void test_after_a_failure(void **state)
{
    (void)state;
    const float x[2] = {1, 2};
    const TensorOut good = {"a", F32, 1, {2}, x, F32, NULL, false};
    Scratch scratch;
    SafeTensors s;
    Error e = {0};
    scratch_make(&scratch);
    scratch_write(&scratch, "out", "old", 3);
    error_set(&e, NOT_FINITE, "the first");
    assert_int_equal(safetensors_write(scratch_path(&scratch, "out"), &good, 1, &e), NOT_FINITE);
    assert_int_equal(file_size(scratch_path(&scratch, "out")), 3);
    assert_false(file_exists(scratch_path(&scratch, "out.tmp")));
    assert_int_equal(safetensors_open(&s, scratch_path(&scratch, "out"), &e), NOT_FINITE);
    assert_true(!s.path && !s.map.data && s.count == 0);
    assert_string_equal(e.text, "the first");
    scratch_remove(&scratch);
}

static void test_shapes_in_text(void **state)
{
    (void)state;
    const int64_t big = INT64_MAX;
    const int64_t dim[] = {2, 30};
    const int64_t longest[MAX_DIMS] = {big, big, big, big, big, big, big, big, big, big};
    char text[SHAPE_SIZE];
    shape_print(text, 2, dim, ", ");
    assert_string_equal(text, "[2, 30]");
    shape_print(text, 0, dim, ",");
    assert_string_equal(text, "[]");
    shape_print(text, MAX_DIMS, longest, ", ");
    assert_int_equal(strlen(text), 10 * 19 + 9 * 2 + 2);
    assert_int_equal(text[strlen(text) - 1], ']');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts),        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_every_byte),      cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_numbers),         cmocka_unit_test(test_write_failures),
        cmocka_unit_test(test_after_a_failure), cmocka_unit_test(test_shapes_in_text)};
    return cmocka_run_group_tests_name("tensor/safetensors", tests, NULL, NULL);
}
