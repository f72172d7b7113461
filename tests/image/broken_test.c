/* Broken pictures: image_read refuses them and says why. Files of ref/golden_image.py, and whole ones with changes. */
#include "fixture/golden.h"
#include "fixture/hex.h"
#include "fixture/scratch.h"

#include "base/memory.h"
#include "base/text.h"
#include "image/image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_broken(void **state)
{
    (void)state;
    Scratch s;
    scratch_make(&s);
    Json list;
    Error e = {0};
    if (json_open(&list, "golden/image/broken.json", 1 << 24, &e) != OK)
        fail_msg("%s", e.text);
    size_t i;
    json_t *c;
    int failed = 0;
    json_array_foreach(list.root, i, c)
    {
        const char *name = json_string_value(json_object_get(c, "name"));
        bool accept = json_is_true(json_object_get(c, "accept"));
        Text bytes = {0};
        hex_add(&bytes, json_string_value(json_object_get(c, "file")));
        const char *path = scratch_write(&s, "picture", text_string(&bytes), bytes.count);
        Image im;
        Error why = {0};
        Status status = image_read(&im, path, &why);
        if (status != (accept ? OK : BAD_INPUT) || (!accept && (!strstr(why.text, path) || im.data))) {
            print_error("golden/image/broken: %s: wanted it %s, got status %d: %s; read src/image/decode.c\n",
                        name, accept ? "read" : "refused", (int)status, why.text);
            failed++;
        }
        image_free(&im);
        text_free(&bytes);
    }
    assert_true(json_array_size(list.root) >= 40);
    assert_int_equal(failed, 0);
    json_close(&list);
    scratch_remove(&s);
}

static void refused(const char *path, const char *word)
{
    Image im;
    Error e = {0};
    assert_int_equal(image_read(&im, path, &e), BAD_INPUT);
    if (!strstr(e.text, word) || !strstr(e.text, path))
        fail_msg("\"%s\" does not name %s and \"%s\"", e.text, path, word);
}

static void test_messages(void **state)
{
    (void)state;
    Scratch s;
    scratch_make(&s);
    refused(s.folder, "not a regular file");
    refused(scratch_path(&s, "absent.png"), "No such file");
    refused(scratch_write(&s, "a", "", 0), "empty");
    refused(scratch_write(&s, "a", "GIF89a....", 10), "GIF");
    refused(scratch_write(&s, "a", "RIFF\x10\0\0\0WEBPVP8 ", 16), "WebP");
    refused(scratch_write(&s, "a", "BM\x10\0\0\0", 6), "BMP");
    refused(scratch_write(&s, "a",
                          "\0\0\0\x1c"
                          "ftypheic",
                          12),
            "HEIC");
    refused(scratch_write(&s, "a", "version https://git-lfs.github.com/spec/v1", 42), "git-lfs");
    refused(scratch_write(&s, "a", "hello", 5), "unknown kind");
    scratch_remove(&s);
}

/* A frame header that is too short, or a second one, is refused by us: decoders read past the one and
 * take the last of the others. */
static void test_frame_headers(void **state)
{
    (void)state;
    Golden g;
    Scratch s;
    Text bad = {0};
    Error e = {0};
    scratch_make(&s);
    golden_open(&g, "image/decode");
    const Tensor *t = golden_tensor(&g, "jpeg/one-pixel/file");
    size_t at = 2;
    while (at + 19 < t->bytes && memcmp(t->data + at, "\xFF\xC0\0\x11", 4))
        at++;
    assert_true(at + 19 < t->bytes);
    text_add_bytes(&bad, t->data, at + 19, &e);
    text_add_bytes(&bad, t->data + at, t->bytes - at, &e);
    refused(scratch_write(&s, "twice", bad.data, bad.count), "frame header is broken");
    text_clear(&bad);
    text_add_bytes(&bad, t->data, t->bytes, &e);
    assert_int_equal(e.status, OK);
    bad.data[at + 3] = 7;
    refused(scratch_write(&s, "short", bad.data, bad.count), "frame header is broken");
    bad.data[at + 3] = 17;
    size_t scan = at;
    while (scan + 14 < bad.count && memcmp(bad.data + scan, "\xFF\xDA\0\x0C\3", 5))
        scan++;
    assert_true(scan + 14 < bad.count);
    bad.data[at + 13] = bad.data[at + 10]; /* two components of one number: libjpeg tells them apart */
    bad.data[scan + 7] = bad.data[scan + 5];
    const char *path = scratch_write(&s, "same", bad.data, bad.count);
    Image same = {0};
    if (!strcmp(image_jpeg_decoder(), "stb_image"))
        refused(path, "different numbers for its components");
    else
        image_read(&same, path, &e);
    image_free(&same);
    text_free(&bad);
    safetensors_close(&g.tensors);
    json_close(&g.notes);
    scratch_remove(&s);
}

/* Where the first segment of that marker starts in a JPEG file: at its 0xFF. */
static size_t segment_at(const unsigned char *file, size_t count, int marker)
{
    size_t at = 2;
    while (at + 4 <= count && file[at + 1] != marker)
        at += 2 + ((size_t)file[at + 2] << 8 | file[at + 3]);
    assert_true(at + 4 <= count && file[at] == 0xFF);
    return at;
}

/* The file without its segments of that marker in front of the first scan. */
static void add_without(Text *out, const Tensor *file, int marker)
{
    Error e = {0};
    const size_t scan = segment_at(file->data, file->bytes, 0xDA);
    size_t at = 2;
    text_clear(out);
    text_add_bytes(out, file->data, 2, &e);
    while (at < scan) {
        const size_t length = 2 + ((size_t)file->data[at + 2] << 8 | file->data[at + 3]);
        if (file->data[at + 1] != marker)
            text_add_bytes(out, file->data + at, length, &e);
        at += length;
    }
    text_add_bytes(out, file->data + scan, file->bytes - scan, &e);
    assert_int_equal(e.status, OK);
}

typedef void JpegCase(Scratch *s, const Tensor *file);

static void for_each_jpeg(JpegCase *run)
{
    Golden g;
    Scratch s;
    scratch_make(&s);
    golden_open(&g, "image/decode");
    json_t *c;
    size_t i;
    json_array_foreach(json_object_get(g.notes.root, "cases"), i, c)
    {
        char tensor[100];
        snprintf(tensor, sizeof tensor, "%s/file", json_string_value(c));
        if (!strncmp(tensor, "jpeg/", 5))
            run(&s, golden_tensor(&g, tensor));
    }
    golden_drop(&g);
    scratch_remove(&s);
}

/* A scan may use only tables and components that were defined before it: decoders take what memory
 * holds. libjpeg has Huffman tables of its own where a file has none. */
static void missing_tables(Scratch *s, const Tensor *file)
{
    Text bad = {0};
    Error e = {0};
    add_without(&bad, file, 0xDB);
    refused(scratch_write(s, "no quantisers", bad.data, bad.count), "lack a quantisation table");
    add_without(&bad, file, 0xC4);
    if (!strcmp(image_jpeg_decoder(), "stb_image"))
        refused(scratch_write(s, "no Huffman", bad.data, bad.count), "lack a Huffman table");
    text_clear(&bad);
    text_add_bytes(&bad, file->data, file->bytes, &e);
    const size_t scan = segment_at(file->data, file->bytes, 0xDA);
    bad.data[scan + 5] = 0x77;
    refused(scratch_write(s, "component", bad.data, bad.count), "component that its frame lacks");
    bad.data[scan + 4] = 9;
    refused(scratch_write(s, "scan", bad.data, bad.count), "scan header is broken");
    text_clear(&bad);
    text_add_bytes(&bad, file->data, file->bytes, &e);
    bad.data[segment_at(file->data, file->bytes, 0xDB) + 4] = 0x2F;
    refused(scratch_write(s, "quantiser", bad.data, bad.count), "quantisation table is broken");
    text_free(&bad);
}

static void test_missing_tables(void **state)
{
    (void)state;
    for_each_jpeg(missing_tables);
}

/* A scan again and again: each goes over the whole picture. */
static void many_scans(Scratch *s, const Tensor *file)
{
    Text bad = {0};
    Error e = {0};
    const size_t scan = segment_at(file->data, file->bytes, 0xDA);
    text_add_bytes(&bad, file->data, scan, &e);
    for (int i = 0; i < 101; i++)
        text_add_bytes(&bad, file->data + scan, 10 + 2 * (size_t)(file->data[scan + 4] - 1), &e);
    text_add_bytes(&bad, "\xFF\xD9", 2, &e);
    assert_int_equal(e.status, OK);
    refused(scratch_write(s, "scans", bad.data, bad.count), "more than 100 scans");
    text_free(&bad);
}

static void test_many_scans(void **state)
{
    (void)state;
    for_each_jpeg(many_scans);
}

/* One damaged byte, anywhere: read or refused, and the same pixels each time. */
static void damaged(Scratch *s, const Tensor *file)
{
    uint32_t seed = 1;
    unsigned char *bytes = memory_new((int64_t)file->bytes, 1, &(Error){0});
    for (int i = 0; i < 60; i++) {
        Image im[2] = {{0}, {0}};
        Status status[2];
        seed = seed * 1664525 + 1013904223;
        memcpy(bytes, file->data, file->bytes);
        bytes[2 + (seed >> 8) % (file->bytes - 2)] ^= (unsigned char)(1 + seed % 255);
        const char *path = scratch_write(s, "damaged", bytes, file->bytes);
        for (int k = 0; k < 2; k++) {
            Error e = {0};
            status[k] = image_read(im + k, path, &e);
            assert_true(status[k] == OK || status[k] == BAD_INPUT);
        }
        assert_int_equal(status[0], status[1]);
        if (status[0] == OK)
            assert_memory_equal(im[0].data, im[1].data, (size_t)(im[0].width * im[0].height) * 3);
        image_free(im);
        image_free(im + 1);
    }
    free(bytes);
}

static void test_damaged_byte(void **state)
{
    (void)state;
    for_each_jpeg(damaged);
}

/* A picture cut at any byte, or with any byte changed, is read or refused, never anything else
 * (the sanitizers look on). */
static void test_every_byte(void **state)
{
    (void)state;
    Golden g;
    Scratch s;
    scratch_make(&s);
    golden_open(&g, "image/decode");
    const char *const names[] = {"png/interlaced-9x11/file", "png/palette-alpha/file", "jpeg/one-pixel/file"};
    for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
        const Tensor *t = golden_tensor(&g, names[n]);
        unsigned char *bytes = memory_new((int64_t)t->bytes, 1, &(Error){0});
        for (size_t i = 0; i < 2 * t->bytes; i++) {
            size_t at = i / 2;
            memcpy(bytes, t->data, t->bytes);
            bytes[at] = (unsigned char)(bytes[at] ^ 0x15);
            const char *path = scratch_write(&s, "picture", bytes, i % 2 ? at : t->bytes);
            Image im;
            Error e = {0};
            Status status = image_read(&im, path, &e);
            assert_true(status == OK || (status == BAD_INPUT && !im.data));
            image_free(&im);
        }
        free(bytes);
    }
    golden_drop(&g);
    scratch_remove(&s);
}

/* The CRC-32 of PNG, a bit at a time. */
static uint32_t crc(const char *p, size_t count)
{
    uint32_t c = 0xFFFFFFFF;
    for (size_t i = 0; i < 8 * count; i++) {
        c ^= i % 8 ? 0 : (unsigned char)p[i / 8];
        c = c & 1 ? c >> 1 ^ 0xEDB88320 : c >> 1;
    }
    return ~c;
}

/* A chunk with a good checksum. */
static void add_chunk(Text *out, const char *type_and_data, uint32_t count)
{
    Error e = {0};
    const uint32_t sum = crc(type_and_data, count);
    const uint32_t numbers[2] = {count - 4, sum};
    for (int n = 0; n < 2; n++) {
        char bytes[4];
        for (int i = 0; i < 4; i++)
            bytes[i] = (char)(numbers[n] >> (24 - 8 * i));
        text_add_bytes(out, bytes, 4, &e);
        text_add_bytes(out, type_and_data, n ? 0 : count, &e);
    }
}

/* Chunks whose checksums are right and whose contents are not. */
static void test_png_chunks(void **state)
{
    (void)state;
    enum { HEADER = 17 };
    Golden g;
    Scratch s;
    Error e = {0};
    scratch_make(&s);
    golden_open(&g, "image/decode");
    const Tensor *t = golden_tensor(&g, "png/interlaced-9x11/file");
    char header[HEADER];
    static const char *const words[] = {NULL, "unknown filter method", "a chunk without a name",
                                        "header is broken"};
    for (int spoiled = 0; spoiled < 4; spoiled++) {
        Text file = {0};
        memcpy(header, t->data + 12, HEADER);
        header[15] = spoiled == 1; /* the filter method */
        text_add_bytes(&file, t->data, 8, &e);
        add_chunk(&file, header, spoiled == 3 ? HEADER - 1 : HEADER);
        if (spoiled == 2)
            add_chunk(&file, "\x01\x1b[mx", 5);
        text_add_bytes(&file, t->data + 33, t->bytes - 33, &e);
        const char *path = scratch_write(&s, "chunks.png", file.data, file.count);
        Image im;
        if (spoiled)
            refused(path, words[spoiled]);
        else
            assert_int_equal(image_read(&im, path, &e), OK);
        if (!spoiled)
            image_free(&im);
        text_free(&file);
    }
    golden_drop(&g);
    scratch_remove(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_broken),         cmocka_unit_test(test_messages),
        cmocka_unit_test(test_frame_headers),  cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_missing_tables), cmocka_unit_test(test_many_scans),
        cmocka_unit_test(test_damaged_byte),   cmocka_unit_test(test_png_chunks)};
    return cmocka_run_group_tests_name("image/broken", tests, NULL, NULL);
}
