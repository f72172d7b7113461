/* Checkpoint folders: the index and its shards, names, shapes, types, unaligned data, masters;
 * each error names the file and the tensor. */
#include "fixture/scratch.h"

#include "base/bytes.h"
#include "tensor/checkpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const float values[6] = {1, -2, 0.5f, 3, 4, 5};
static const char index_name[] = "model.safetensors.index.json";

/* A file of vectors of 6 values with these names. */
static void write_vectors(Scratch *s, const char *file, Dtype type, const char *const *names)
{
    TensorOut out[8] = {{0}};
    int64_t count = 0;
    for (; names[count]; count++)
        out[count] = (TensorOut){
            .name = names[count], .dtype = type, .ndim = 1, .dim = {6}, .data = values, .held = F32};
    Error e = {0};
    if (safetensors_write(scratch_path(s, file), out, count, &e) != OK)
        fail_msg("%s", e.text);
}

static void write_index(Scratch *s, const char *weight_map)
{
    char text[500];
    int n =
        snprintf(text, sizeof text, "{\"metadata\": {\"total_size\": 1}, \"weight_map\": %s}", weight_map);
    scratch_write(s, index_name, text, (size_t)n);
}

static void opens(Scratch *s, Checkpoint *c)
{
    Error e = {0};
    if (checkpoint_open(c, s->folder, &e) != OK)
        fail_msg("%s", e.text);
}

static void refused(Scratch *s, const char *first, const char *second)
{
    Checkpoint c;
    Error e = {0};
    assert_int_equal(checkpoint_open(&c, s->folder, &e), BAD_INPUT);
    if (!strstr(e.text, first) || !strstr(e.text, second))
        fail_msg("\"%s\" does not name %s and %s; read src/tensor/checkpoint.c, checkpoint_param.c", e.text,
                 first, second);
}

static void test_index(void **state)
{
    (void)state;
    Scratch s;
    Checkpoint c;
    scratch_make(&s);
    write_vectors(&s, "one", F32, (const char *const[]){"a", "b", NULL});
    write_vectors(&s, "two", BF16, (const char *const[]){"c", NULL});
    write_index(&s, "{\"a\": \"one\", \"b\": \"one\", \"c\": \"two\"}");
    opens(&s, &c);
    assert_true(c.files == 2 && c.names == 3 && checkpoint_has(&c, "c") && !checkpoint_has(&c, "d"));
    checkpoint_close(&c);
    write_index(&s, "{\"a\": \"one\", \"b\": \"one\", \"c\": \"three\"}");
    refused(&s, "three", "c");
    write_index(&s, "{\"a\": \"one\", \"b\": \"one\", \"c\": \"../two\"}");
    refused(&s, index_name, "../two");
    write_index(&s, "{\"a\": \"one\", \"b\": \"one\", \"c\": \"..\"}");
    refused(&s, index_name, "weight_map.c");
    write_index(&s, "{\"a\": \"one\", \"b\": \"one\", \"c\": 2}");
    refused(&s, index_name, "weight_map.c");
    write_index(&s, "{\"a\": \"one\", \"b\": \"two\", \"c\": \"two\"}");
    refused(&s, "tensor b", "is in one");
    write_index(&s, "{\"a\": \"one\", \"b\": \"one\", \"c\": \"two\", \"d\": \"two\"}");
    refused(&s, "tensor d", "two");
    write_index(&s, "{\"a\": \"one\", \"c\": \"two\"}");
    refused(&s, "tensor b", "one");
    write_index(&s, "[]");
    refused(&s, index_name, "weight_map");
    scratch_write(&s, index_name, "{}", 2);
    refused(&s, index_name, "weight_map");
    write_vectors(&s, "two", F32, (const char *const[]){"c", "a", NULL});
    write_index(&s, "{\"a\": \"one\", \"b\": \"one\", \"c\": \"two\"}");
    refused(&s, "tensor a", "two: tensor a is not listed for this file");
    write_vectors(&s, "model.safetensors", F32, (const char *const[]){"x", NULL});
    opens(&s, &c); /* goes before the index */
    assert_true(c.files == 1 && checkpoint_has(&c, "x"));
    checkpoint_close(&c);
    scratch_remove(&s);
}

static void test_nothing_there(void **state)
{
    (void)state;
    Scratch s;
    Checkpoint c;
    Error e = {0};
    scratch_make(&s);
    refused(&s, "model.safetensors", index_name);
    scratch_write(&s, "pytorch_model.bin", "x", 1);
    refused(&s, "pytorch_model.bin", "model.safetensors");
    assert_int_equal(checkpoint_open(&c, "no/such/folder", &e), BAD_INPUT);
    assert_true(strstr(e.text, "no/such/folder") != NULL);
    scratch_remove(&s);
}

static void test_parameters(void **state)
{
    (void)state;
    Scratch s;
    Checkpoint c;
    Error e = {0};
    scratch_make(&s);
    write_vectors(&s, "model.safetensors", BF16,
                  (const char *const[]){"layers.0.w", "layers.1.w", "extra.inv_freq", NULL});
    opens(&s, &c);
    Param *p = checkpoint_vector(&c, &e, 6, "layers.%d.%s", 1, "w");
    assert_non_null(p);
    assert_string_equal(p->name, "layers.1.w");
    assert_true(p->count == 6 && p->ndim == 1 && p->weight.type == BF16 && p->stored == BF16 && !p->grad &&
                !p->master);
    assert_ptr_equal(checkpoint_vector(&c, &e, 6, "layers.1.w"), p);
    assert_int_equal(c.params, 1);
    const char *const ignorable[] = {"inv_freq", NULL};
    assert_int_equal(checkpoint_finish(&c, ignorable, &e), BAD_INPUT);
    assert_true(strstr(e.text, "layers.0.w") != NULL);
    e = (Error){0};
    assert_non_null(checkpoint_param(&c, &e, 1, (const int64_t[]){6}, "layers.0.w"));
    assert_int_equal(checkpoint_finish(&c, ignorable, &e), OK);
    assert_int_equal(checkpoint_make_trainable(p, &e), OK);
    assert_true(p->weight.type == F32 && p->stored == BF16 && p->weight.data == p->master);
    assert_memory_equal(p->master, values, sizeof values);
    assert_null(checkpoint_vector(&c, &e, 7, "layers.0.w"));
    assert_true(e.status == BAD_INPUT && strstr(e.text, "layers.0.w") && strstr(e.text, "[7]") &&
                strstr(e.text, "[6]"));
    assert_null(checkpoint_vector(&c, &e, 6, "layers.0.w")); /* after an error: nothing */
    e = (Error){0};
    assert_null(checkpoint_matrix(&c, &e, 2, 3, "layers.0.w"));
    e = (Error){0};
    assert_null(checkpoint_vector(&c, &e, 6, "layers.2.w"));
    assert_true(e.status == BAD_INPUT && strstr(e.text, "layers.2.w"));
    checkpoint_close(&c);
    scratch_remove(&s);
}

static void test_rename(void **state)
{
    (void)state;
    Scratch s;
    Checkpoint c;
    Error e = {0};
    scratch_make(&s);
    write_vectors(
        &s, "model.safetensors", F32,
        (const char *const[]){"model.language_model.a", "model.visual.b", "model.a", "lm_head", NULL});
    opens(&s, &c);
    assert_int_equal(checkpoint_rename(&c, "model.visual.", "visual.", &e), OK);
    assert_true(checkpoint_has(&c, "visual.b") && !checkpoint_has(&c, "model.visual.b") &&
                checkpoint_has(&c, "lm_head"));
    Param *p = checkpoint_vector(&c, &e, 6, "visual.b");
    assert_string_equal(p->name, "visual.b");
    assert_int_equal(checkpoint_rename(&c, "model.language_model.", "model.", &e), BAD_INPUT);
    assert_true(strstr(e.text, "model.language_model.a") != NULL);
    checkpoint_close(&c);
    scratch_remove(&s);
}

static void test_tied(void **state)
{
    (void)state;
    Scratch s;
    Checkpoint c;
    Error e = {0};
    const float other[6] = {1, -2, 0.5f, 3, 4, 6};
    const float zero[6] = {0};
    const TensorOut out[] = {
        {"w", F32, 1, {6}, values, F32, NULL, false},    {"same", F32, 1, {6}, values, F32, NULL, false},
        {"other", F32, 1, {6}, other, F32, NULL, false}, {"shape", F32, 2, {2, 3}, values, F32, NULL, false},
        {"zero", BF16, 1, {6}, zero, F32, NULL, false},  {"type", F16, 1, {6}, zero, F32, NULL, false}};
    scratch_make(&s);
    assert_int_equal(safetensors_write(scratch_path(&s, "model.safetensors"), out, 6, &e), OK);
    opens(&s, &c);
    Param *w = checkpoint_vector(&c, &e, 6, "w");
    assert_int_equal(checkpoint_make_trainable(w, &e), OK);
    assert_int_equal(checkpoint_tied(&c, "absent", w, &e), OK);
    assert_int_equal(checkpoint_finish(&c, (const char *const[]){"other", "shape", "zero", "type", NULL}, &e),
                     BAD_INPUT);
    assert_non_null(strstr(e.text, "same"));
    e = (Error){0};
    assert_int_equal(checkpoint_tied(&c, "same", w, &e), OK); /* it is in use now */
    assert_int_equal(checkpoint_finish(&c, (const char *const[]){"other", "shape", "zero", "type", NULL}, &e),
                     OK);
    assert_int_equal(checkpoint_tied(&c, "other", w, &e), BAD_INPUT);
    assert_true(strstr(e.text, "other") != NULL);
    e = (Error){0};
    assert_int_equal(checkpoint_tied(&c, "shape", w, &e), BAD_INPUT);
    e = (Error){0};
    Param *z = checkpoint_vector(&c, &e, 6, "zero");
    assert_int_equal(checkpoint_tied(&c, "type", z, &e), BAD_INPUT); /* the same bytes */
    checkpoint_close(&c);
    scratch_remove(&s);
}

/* A header of a length that leaves the data unaligned, and types that are no parameters. */
static void test_unaligned_and_types(void **state)
{
    (void)state;
    static const char header[] = "{\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},\"w\":{"
                                 "\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[1,5]}}";
    unsigned char bytes[8 + sizeof header - 1 + 5];
    Scratch s;
    Checkpoint c;
    Error e = {0};
    store_u64(bytes, sizeof header - 1);
    memcpy(bytes + 8, header, sizeof header - 1);
    memcpy(bytes + 8 + sizeof header - 1, "\x07\0\0\x80\x3F", 5);
    scratch_make(&s);
    scratch_write(&s, "model.safetensors", bytes, sizeof bytes);
    opens(&s, &c);
    Param *w = checkpoint_vector(&c, &e, 1, "w");
    assert_non_null(w);
    assert_int_equal((uintptr_t)w->weight.data % sizeof(float), 0);
    const float one = 1;
    assert_memory_equal(w->weight.data, &one, sizeof one);
    assert_int_equal(checkpoint_make_trainable(w, &e), OK);
    assert_memory_equal(w->weight.data, &one, sizeof one);
    assert_null(checkpoint_vector(&c, &e, 1, "b"));
    assert_true(e.status == BAD_INPUT && strstr(e.text, "U8"));
    checkpoint_close(&c);
    scratch_remove(&s);
}

/* Whoever is handed a failed Error does nothing and keeps its message. */
static void test_after_a_failure(void **state)
{
    (void)state;
    Scratch s;
    Checkpoint c;
    Error e = {0};
    scratch_make(&s);
    write_vectors(&s, "model.safetensors", F32, (const char *const[]){"a", "b", NULL});
    opens(&s, &c);
    Param *p = checkpoint_vector(&c, &e, 6, "a");
    error_set(&e, FAILED, "the first");
    assert_int_equal(checkpoint_rename(&c, "b", "c", &e), FAILED);
    assert_true(checkpoint_has(&c, "b") && !checkpoint_has(&c, "c"));
    assert_int_equal(checkpoint_tied(&c, "b", p, &e), FAILED);
    assert_int_equal(checkpoint_finish(&c, (const char *const[]){NULL}, &e), FAILED);
    assert_int_equal(checkpoint_make_trainable(p, &e), FAILED);
    assert_null(p->master);
    assert_null(checkpoint_vector(&c, &e, 6, "b"));
    assert_int_equal(c.params, 1);
    checkpoint_close(&c);
    assert_int_equal(checkpoint_open(&c, s.folder, &e), FAILED);
    assert_true(c.files == 0 && c.names == 0);
    assert_string_equal(e.text, "the first");
    e = (Error){0};
    opens(&s, &c);
    assert_non_null(checkpoint_vector(&c, &e, 6, "a"));
    assert_int_equal(checkpoint_finish(&c, (const char *const[]){NULL}, &e), BAD_INPUT); /* b is not used */
    checkpoint_close(&c);
    scratch_remove(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_index),          cmocka_unit_test(test_nothing_there),
        cmocka_unit_test(test_parameters),     cmocka_unit_test(test_rename),
        cmocka_unit_test(test_tied),           cmocka_unit_test(test_unaligned_and_types),
        cmocka_unit_test(test_after_a_failure)};
    return cmocka_run_group_tests_name("tensor/checkpoint", tests, NULL, NULL);
}
