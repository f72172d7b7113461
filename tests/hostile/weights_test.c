/* Bad safetensors files, indices and fields of model folders, through `mpa compare` and `mpa inspect`: read
 * src/tensor/safetensors.c, src/tensor/checkpoint.c, src/model/. */
#include "fixture/model_family.h"
#include "fixture/model_folder.h"
#include "hostile/hostile.h"

#include "base/bytes.h"
#include "base/folder.h"
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define F32(shape, begin, end) "{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":[" begin "," end "]}"

/* Headers; 24 bytes of data follow. */
static const BadText headers[] = {
    {"no JSON", "abc", "not valid JSON"},
    {"a list", "[]", "wanted an object"},
    {"a number", "7", "not valid JSON"},
    {"cut off", "{\"a\":{\"dtype\":\"F32\"", "not valid JSON"},
    {"bytes behind it", "{} x", "not valid JSON"},
    {"no tensor for the data", "{}", "belong to no tensor"},
    {"data too short", "{\"a\":" F32("[7]", "0", "28") "}", "is the file complete"},
    {"data left over", "{\"a\":" F32("[5]", "0", "20") "}", "4 bytes that belong to no tensor"},
    {"a hole in front", "{\"a\":" F32("[5]", "4", "24") "}", "leave a hole"},
    {"a hole between", "{\"a\":" F32("[2]", "0", "8") ",\"b\":" F32("[3]", "12", "24") "}", "leave a hole"},
    {"an overlap", "{\"a\":" F32("[3]", "0", "12") ",\"b\":" F32("[4]", "8", "24") "}", "overlap"},
    {"the same data twice", "{\"a\":" F32("[6]", "0", "24") ",\"b\":" F32("[6]", "0", "24") "}", "overlap"},
    {"end before begin", "{\"a\":" F32("[6]", "24", "0") "}", "do not lie in"},
    {"a negative offset", "{\"a\":" F32("[6]", "-8", "16") "}", "from 0 up"},
    {"an offset of 2^63 - 1", "{\"a\":" F32("[6]", "0", "9223372036854775807") "}", "do not lie in"},
    {"an offset of 2^64", "{\"a\":" F32("[6]", "0", "18446744073709551616") "}", "not valid JSON"},
    {"a real offset", "{\"a\":" F32("[6]", "0", "24.0") "}", "two integers"},
    {"an offset that is text", "{\"a\":" F32("[6]", "0", "\"24\"") "}", "two integers"},
    {"one offset", "{\"a\":{\"dtype\":\"F32\",\"shape\":[6],\"data_offsets\":[24]}}", "two integers"},
    {"three offsets", "{\"a\":{\"dtype\":\"F32\",\"shape\":[6],\"data_offsets\":[0,12,24]}}", "two integers"},
    {"no offsets", "{\"a\":{\"dtype\":\"F32\",\"shape\":[6]}}", "two integers"},
    {"a shape too small", "{\"a\":" F32("[5]", "0", "24") "}", "its shape and type F32 take 20"},
    {"a shape too large", "{\"a\":" F32("[7]", "0", "24") "}", "its shape and type F32 take 28"},
    {"a negative size", "{\"a\":" F32("[-6]", "0", "24") "}", "from 0 up"},
    {"a real size", "{\"a\":" F32("[6.0]", "0", "24") "}", "from 0 up"},
    {"a size that is text", "{\"a\":" F32("[\"6\"]", "0", "24") "}", "from 0 up"},
    {"a shape that is a number", "{\"a\":" F32("6", "0", "24") "}", "wanted a list"},
    {"sizes beyond 64 bits", "{\"a\":" F32("[4294967296,4294967296,6]", "0", "24") "}",
     "does not fit in 64 bits"},
    {"bits beyond 64 bits", "{\"a\":" F32("[1152921504606846976]", "0", "24") "}", "does not fit in 64 bits"},
    {"too many dimensions", "{\"a\":" F32("[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,6]", "0", "24") "}",
     "more dimensions"},
    {"an unknown type", "{\"a\":{\"dtype\":\"F99\",\"shape\":[6],\"data_offsets\":[0,24]}}", "F99"},
    {"no type", "{\"a\":{\"shape\":[6],\"data_offsets\":[0,24]}}", "dtype"},
    {"a type that is a number", "{\"a\":{\"dtype\":7,\"shape\":[6],\"data_offsets\":[0,24]}}", "dtype"},
    {"a tensor that is null", "{\"a\":null}", "wanted an object"},
    {"a tensor that is a list", "{\"a\":[\"F32\",[6],[0,24]]}", "wanted an object"},
    {"a name twice", "{\"a\":" F32("[3]", "0", "12") ",\"a\":" F32("[3]", "12", "24") "}", "not valid JSON"},
    {"metadata that is a list", "{\"__metadata__\":[],\"a\":" F32("[6]", "0", "24") "}", "__metadata__"},
    {"metadata of numbers", "{\"__metadata__\":{\"x\":1},\"a\":" F32("[6]", "0", "24") "}", "__metadata__.x"},
    {"no UTF-8", "{\"\xFF\":" F32("[6]", "0", "24") "}", "not valid JSON"},
    {"a NUL in a name", "{\"a\\u0000b\":" F32("[6]", "0", "24") "}", "not valid JSON"},
    {"an escape in a name", "{\"\x1b[31m\":" F32("[6]", "0", "24") "}", "not valid JSON"},
    {"an escaped escape", "{\"\\u001b[31m\":" F32("[5]", "0", "24") "}", "tensor ?[31m"},
};

static void compare(Hostile *h, const char *name, const char *word)
{
    char path[400];
    snprintf(path, sizeof path, "%s", scratch_path(&h->scratch, "bad.safetensors"));
    hostile_case(h, name, 3, word, (const char *const[]){"compare", path, path, NULL});
}

static void with_length(Hostile *h, const char *name, uint64_t length, const char *text, size_t count,
                        const char *word)
{
    Text file = {0};
    Error e = {0};
    char size[8];
    static const char data[24] = {0};
    store_u64(size, length);
    text_add_bytes(&file, size, 8, &e);
    text_add_bytes(&file, text, count, &e);
    text_add_bytes(&file, data, sizeof data, &e);
    hostile_file(h, "bad.safetensors", file.data, file.count);
    compare(h, name, word);
    text_free(&file);
}

static void test_safetensors(void **state)
{
    (void)state;
    Hostile h;
    hostile_begin(&h);
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        with_length(&h, headers[i].name, strlen(headers[i].text), headers[i].text, strlen(headers[i].text),
                    headers[i].word);
    with_length(&h, "a header of 2^64 - 1 bytes", UINT64_MAX, "{}", 2, "is it complete");
    with_length(&h, "a header of 2^64 - 8 bytes", UINT64_MAX - 7, "{}", 2, "is it complete");
    with_length(&h, "a header of 2^63 bytes", UINT64_C(1) << 63, "{}", 2, "is it complete");
    with_length(&h, "a header of more than 100 MB", 100000001, "{}", 2, "is it complete");
    with_length(&h, "a header of no bytes", 0, "", 0, "not valid JSON");
    with_length(&h, "a header as long as the file", 34, "{}", 2, "is it complete");
    Text deep = {0};
    Error e = {0};
    for (int i = 0; i < 100000; i++)
        text_add(&deep, "{\"a\":", &e);
    with_length(&h, "100,000 objects in one another", deep.count, deep.data, deep.count, "not valid JSON");
    text_clear(&deep);
    text_add(&deep, "{\"a\":[", &e);
    hostile_lists(&deep);
    text_add(&deep, "0]}", &e);
    with_length(&h, "two million lists", deep.count, deep.data, deep.count,
                "bytes of memory, more than the 201326592");
    text_free(&deep);
    static const BadText files[] = {
        {"empty", "", "0 bytes are too few"},
        {"seven bytes", "1234567", "7 bytes are too few"},
        {"a git-lfs pointer", "version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"},
        {"a web page", "<!DOCTYPE html><html>not found</html>", "is a web page"},
        {"a zip archive", "PK\x03\x04 archive/data.pkl", "is a zip archive"},
        {"a pickle", "\x80\x02}q\x01(X\x05", "is it complete"},
        {"text", "hello, these are no weights at all", "is it complete"}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        hostile_file(&h, "bad.safetensors", files[i].text, strlen(files[i].text));
        compare(&h, files[i].name, files[i].word);
    }
    hostile_end(&h, 55);
}

static void wrong_field(Hostile *h, const char *family, const char *source, const WrongField *w)
{
    char folder[MODEL_FOLDER];
    char name[300];
    Error e = {0};
    snprintf(name, sizeof name, "%s: %s: %s = %s", family, w->file, w->path, w->value ? w->value : "");
    model_folder_make(folder, source);
    model_folder_change(folder, source, w->file, w->path, w->value);
    hostile_case(h, name, 3, w->expected, (const char *const[]){"inspect", folder, NULL});
    folder_remove(folder, &e);
}

/* Each field of the tables of wrong fields, of each family's folder; one that only InternLM2 has, which is in none of these. */
static void test_fields(void **state)
{
    (void)state;
    static const WrongField biases = {"config.json", "llm_config.bias", "true",
                                      "only InternLM2 without biases is supported"};
    Hostile h;
    hostile_begin(&h);
    for (int i = 0; test_families[i]; i++)
        for (const WrongField *w = test_families[i]->wrong_fields; w->file; w++)
            wrong_field(&h, test_families[i]->name, test_families[i]->single, w);
    wrong_field(&h, "InternLM2", "weights/tiny-internvl2-a", &biases);
    hostile_end(&h, 150);
}

/* The index of tiny-qwen2vl-a's four shards. */
static const BadText indices[] = {
    {"no JSON", "{", "not valid JSON"},
    {"a list", "[]", "wanted an object"},
    {"no map", "{}", "weight_map"},
    {"a map that is a list", "{\"weight_map\":[]}", "weight_map"},
    {"a shard that is a number", "{\"weight_map\":{\"a\":1}}", "weight_map.a"},
    {"a shard elsewhere", "{\"weight_map\":{\"a\":\"../model.safetensors\"}}", "weight_map.a"},
    {"an absolute shard", "{\"weight_map\":{\"a\":\"/etc/passwd\"}}", "weight_map.a"},
    {"a shard without a name", "{\"weight_map\":{\"a\":\"\"}}", "weight_map.a"},
    {"a shard that is not there", "{\"weight_map\":{\"a\":\"model-9.safetensors\"}}", "No such file"},
    {"a shard that is the folder", "{\"weight_map\":{\"a\":\".\"}}", "not a regular file"},
    {"a tensor that its shard lacks", "{\"weight_map\":{\"nobody\":\"model-00001-of-00004.safetensors\"}}",
     "which lacks it"},
    {"a null", "{\"weight_map\":{\"a\":null}}", "weight_map.a"},
};

static void test_indices(void **state)
{
    (void)state;
    Hostile h;
    hostile_begin(&h);
    for (size_t i = 0; i < sizeof indices / sizeof *indices; i++) {
        char folder[MODEL_FOLDER];
        Error e = {0};
        model_folder_make(folder, "weights/tiny-qwen2vl-a");
        model_folder_write(folder, "model.safetensors.index.json", indices[i].text, strlen(indices[i].text));
        hostile_case(&h, indices[i].name, 3, indices[i].word, (const char *const[]){"inspect", folder, NULL});
        folder_remove(folder, &e);
    }
    hostile_end(&h, 12);
}

/* Files of tiny-smolvlm-b that are wrong as a whole. */
static const struct {
    const char *file;
    BadText bad;
} whole_files[] = {
    {"config.json", {"a list", "[]", "wanted an object"}},
    {"config.json", {"cut off", "{\"model_type\"", "not valid JSON"}},
    {"generation_config.json", {"a list", "[]", "wanted an object"}},
    {"generation_config.json", {"cut off", "{", "not valid JSON"}},
    {"generation_config.json",
     {"17 end tokens", "{\"eos_token_id\":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]}", "more than 16"}},
    {"preprocessor_config.json", {"a list", "[]", "wanted an object"}},
    {"preprocessor_config.json", {"empty", "", "not valid JSON"}},
};

static void test_whole_files(void **state)
{
    (void)state;
    Hostile h;
    hostile_begin(&h);
    for (size_t i = 0; i < sizeof whole_files / sizeof *whole_files; i++) {
        const BadText *bad = &whole_files[i].bad;
        char folder[MODEL_FOLDER];
        char name[200];
        Error e = {0};
        snprintf(name, sizeof name, "%s: %s", whole_files[i].file, bad->name);
        model_folder_make(folder, "weights/tiny-smolvlm-b");
        model_folder_write(folder, whole_files[i].file, bad->text, strlen(bad->text));
        hostile_case(&h, name, 3, bad->word, (const char *const[]){"inspect", folder, NULL});
        folder_remove(folder, &e);
    }
    hostile_end(&h, 7);
}

/* Sizes that are each allowed, and together more than any machine has, are refused before they are taken. */
static void test_sizes_together(void **state)
{
    (void)state;
    Hostile h;
    char path[400];
    json_error_t why;
    hostile_begin(&h);
    json_t *config = json_load_file("weights/tiny-smolvlm-b/config.json", 0, &why);
    json_t *text = json_object_get(config, "text_config");
    json_object_set_new(text, "vocab_size", json_integer(1 << 24));
    json_object_set_new(text, "hidden_size", json_integer(3 << 22));
    json_object_set_new(text, "num_attention_heads", json_integer(1 << 10));
    json_object_set_new(text, "num_key_value_heads", json_integer(1 << 10));
    json_object_del(text, "head_dim");
    char *dump = json_dumps(config, 0);
    snprintf(path, sizeof path, "%s", hostile_file(&h, "config.json", dump, strlen(dump)));
    hostile_case(&h, "bench --config", 4, "MiB of memory",
                 (const char *const[]){"bench", "--config", path, "--only", "decode", NULL});
    hostile_case(&h, "inspect", 4, "MiB of memory",
                 (const char *const[]){"inspect", h.scratch.folder, NULL}); /* a config.json alone */
    free(dump);
    json_decref(config);
    hostile_end(&h, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_safetensors), cmocka_unit_test(test_fields),
                                       cmocka_unit_test(test_indices), cmocka_unit_test(test_whole_files),
                                       cmocka_unit_test(test_sizes_together)};
    return cmocka_run_group_tests_name("hostile/weights", tests, NULL, NULL);
}
