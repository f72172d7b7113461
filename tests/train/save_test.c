/* Saved checkpoints: the values of their weights, their type, several files of them, and what
 * else is in the model's folder. */
#include "fixture/model_family.h"
#include "fixture/model_folder.h"
#include "fixture/must.h"
#include "fixture/tiny_run.h"

#include "base/file.h"
#include "base/folder.h"
#include "base/json.h"
#include "config/config.h"
#include "train/save.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char qwen2vl[] = "weights/tiny-qwen2vl-a";
static const char smolvlm[] = "weights/tiny-smolvlm-a";

typedef struct {
    char folder[MODEL_FOLDER]; /* a copy of the source, with more files in it */
    Scratch scratch;
    char saved[300];
    Vlm vlm;
    Error error;
} Fixture;

static void make(Fixture *f, const char *source)
{
    *f = (Fixture){0};
    model_folder_make(f->folder, source);
    scratch_make(&f->scratch);
    snprintf(f->saved, sizeof f->saved, "%s/aligned", f->scratch.folder);
}

static void open_model(Fixture *f)
{
    vlm_open(&f->vlm, f->folder, &f->error);
    must(&f->error);
}

static void save(Fixture *f, int dtype, int64_t shard_bytes)
{
    save_checkpoint(&f->vlm, f->saved, dtype, shard_bytes, &f->error);
    must(&f->error);
}

static void finish(Fixture *f)
{
    Error e = {0};
    vlm_close(&f->vlm);
    assert_int_equal(folder_remove(f->saved, &e), OK);
    assert_int_equal(folder_remove(f->folder, &e), OK);
    scratch_remove(&f->scratch);
}

static const char *path_in(const char *folder, const char *name)
{
    static char path[500];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static bool is_saved(const Fixture *f, const char *name)
{
    return file_exists(path_in(f->saved, name));
}

/* The weights read back are those of the model, and of type `type`. */
static void assert_same_weights(const Fixture *f, Dtype type)
{
    Vlm again;
    Error e = {0};
    vlm_open(&again, f->saved, &e);
    must(&e);
    const Checkpoint *a = &f->vlm.checkpoint;
    const Checkpoint *b = &again.checkpoint;
    assert_int_equal(b->params, a->params);
    for (int64_t i = 0; i < a->params; i++) {
        const Param *p = a->param[i];
        const Param *q = b->param[i];
        assert_string_equal(q->name, p->name);
        assert_int_equal(q->stored, type);
        float *x = malloc((size_t)p->count * sizeof *x);
        float *y = malloc((size_t)p->count * sizeof *y);
        assert_true(x && y && q->count == p->count);
        weight_widen(x, &p->weight, 0, p->count);
        weight_widen(y, &q->weight, 0, q->count);
        assert_memory_equal(x, y, (size_t)p->count * sizeof *x);
        free(x);
        free(y);
    }
    vlm_close(&again);
}

static void assert_dtype(const Fixture *f, const char *name)
{
    Json j;
    Error e = {0};
    assert_int_equal(json_open(&j, path_in(f->saved, "config.json"), 1 << 20, &e), OK);
    assert_string_equal(json_string_value(json_object_get(j.root, "torch_dtype")), name);
    json_close(&j);
}

/* --------------------------------------------------------------------------------------- tests */

/* Saved as float32, and as bfloat16 where the weights came from there: the same values. Rows
 * computed from them may differ in the last bits: the type decides how a product of few
 * rows is summed. */
static void same_values_come_out(void **state)
{
    Fixture f;
    make(&f, ((const FamilyGolden *)*state)->family->sharded);
    open_model(&f);
    save(&f, DTYPE_FLOAT32, SAVE_SHARD_BYTES);
    assert_same_weights(&f, F32);
    if (f.vlm.checkpoint.param[0]->stored == BF16) {
        save(&f, DTYPE_BFLOAT16, SAVE_SHARD_BYTES);
        assert_same_weights(&f, BF16);
    }
    finish(&f);
}

/* What belongs to the model is copied, byte for byte; other weights and what describes the
 * original are not. */
static void other_files(void **state)
{
    (void)state;
    static const char *const copied[] = {"chat_template.jinja", "merges.txt", "notes.json", "empty"};
    static const char *const left_out[] = {"README.md",
                                           "LICENSE",
                                           ".gitattributes",
                                           "model.bin",
                                           "model.gguf",
                                           "old.tmp",
                                           "pytorch_model.bin.index.json",
                                           "model.onnx",
                                           "weights.pt",
                                           "weights.pth",
                                           "tf_model.h5",
                                           "flax.msgpack"};
    static const char odd[] = "a\0b\n\xff";
    Fixture f;
    make(&f, qwen2vl);
    for (size_t i = 0; i < sizeof copied / sizeof *copied; i++)
        model_folder_write(f.folder, copied[i], odd, i < 3 ? sizeof odd : 0);
    for (size_t i = 0; i < sizeof left_out / sizeof *left_out; i++)
        model_folder_write(f.folder, left_out[i], odd, sizeof odd);
    open_model(&f);
    assert_int_equal(folder_make(path_in(f.folder, "onnx"), &f.error), OK);
    save(&f, DTYPE_FLOAT32, SAVE_SHARD_BYTES);
    for (size_t i = 0; i < sizeof copied / sizeof *copied; i++) {
        Text t = {0};
        assert_int_equal(file_read(&t, path_in(f.saved, copied[i]), 1000, &f.error), OK);
        assert_int_equal(t.count, i < 3 ? sizeof odd : 0);
        assert_memory_equal(text_string(&t), odd, t.count);
        text_free(&t);
    }
    for (size_t i = 0; i < sizeof left_out / sizeof *left_out; i++)
        if (is_saved(&f, left_out[i]))
            fail_msg("%s was copied", left_out[i]);
    assert_false(is_saved(&f, "onnx"));
    assert_int_equal(folder_remove(path_in(f.folder, "onnx"), &f.error), OK);
    finish(&f);
}

/* What stood there before, and what a kill left half written, is gone. */
static void replaces(void **state)
{
    (void)state;
    Fixture f;
    make(&f, qwen2vl);
    open_model(&f);
    char work[400];
    snprintf(work, sizeof work, "%s.tmp", f.saved);
    assert_int_equal(folder_make(f.saved, &f.error), OK);
    assert_int_equal(folder_make(work, &f.error), OK);
    assert_int_equal(file_replace(path_in(f.saved, "old"), "", 0, &f.error), OK);
    assert_int_equal(file_replace(path_in(work, "half"), "", 0, &f.error), OK);
    save(&f, DTYPE_FLOAT32, SAVE_SHARD_BYTES);
    assert_false(is_saved(&f, "old") || is_saved(&f, "half") || file_exists(work));
    assert_same_weights(&f, F32);
    finish(&f);
}

/* As the student's, unless a type is asked for. */
static void types(void **state)
{
    (void)state;
    Fixture f;
    make(&f, qwen2vl);
    open_model(&f);
    assert_int_equal(f.vlm.checkpoint.param[0]->stored, BF16);
    save(&f, DTYPE_AS_STUDENT, SAVE_SHARD_BYTES);
    assert_same_weights(&f, BF16);
    assert_dtype(&f, "bfloat16");
    save(&f, DTYPE_FLOAT32, SAVE_SHARD_BYTES);
    assert_same_weights(&f, F32);
    assert_dtype(&f, "float32");
    save(&f, DTYPE_BFLOAT16, SAVE_SHARD_BYTES);
    assert_same_weights(&f, BF16);
    save(&f, DTYPE_FLOAT32, SAVE_SHARD_BYTES);
    vlm_close(&f.vlm);
    char other[300];
    snprintf(other, sizeof other, "%s/again", f.scratch.folder);
    vlm_open(&f.vlm, f.saved, &f.error);
    save_checkpoint(&f.vlm, other, DTYPE_AS_STUDENT, SAVE_SHARD_BYTES, &f.error);
    must(&f.error);
    vlm_close(&f.vlm);
    assert_int_equal(folder_remove(f.saved, &f.error), OK);
    strcpy(f.saved, other);
    open_model(&f);
    assert_same_weights(&f, F32);
    assert_dtype(&f, "float32");
    finish(&f);
}

/* Writes the folder's weights anew, to one file: parameters of at least `wide` values as float32, the others
 * as they were. */
static void write_mixed(Fixture *f, int64_t wide)
{
    Checkpoint c = f->vlm.checkpoint;
    TensorOut *out = calloc((size_t)c.params, sizeof *out);
    char path[400];
    assert_non_null(out);
    for (int64_t i = 0; i < c.params; i++) {
        const Param *p = c.param[i];
        out[i] = (TensorOut){.name = p->name,
                             .dtype = p->count >= wide ? F32 : p->weight.type,
                             .ndim = p->ndim,
                             .data = p->weight.data,
                             .held = p->weight.type};
        memcpy(out[i].dim, p->dim, sizeof out[i].dim);
    }
    snprintf(path, sizeof path, "%s/mixed", f->scratch.folder);
    assert_int_equal(safetensors_write(path, out, c.params, &f->error), OK);
    free(out);
    vlm_close(&f->vlm);
    assert_int_equal(file_remove(path_in(f->folder, "model.safetensors"), &f->error), OK);
    assert_int_equal(file_rename(path, path_in(f->folder, "model.safetensors"), &f->error), OK);
    open_model(f);
}

/* The type is the one that most values have, not most tensors. */
static void type_of_most_values(void **state)
{
    (void)state;
    enum { LARGE = 3000 };
    Fixture f;
    make(&f, smolvlm);
    open_model(&f);
    const Checkpoint *c = &f.vlm.checkpoint;
    int64_t all = 0;
    int64_t wide = 0;
    int64_t tensors = 0;
    for (int64_t i = 0; i < c->params; i++) {
        all += c->param[i]->count;
        tensors += c->param[i]->count >= LARGE;
        wide += c->param[i]->count >= LARGE ? c->param[i]->count : 0;
    }
    assert_true(2 * wide > all && 2 * tensors < c->params);
    write_mixed(&f, LARGE);
    save(&f, DTYPE_AS_STUDENT, SAVE_SHARD_BYTES);
    assert_dtype(&f, "float32");
    finish(&f);
    make(&f, smolvlm);
    open_model(&f);
    write_mixed(&f, INT64_MAX);
    save(&f, DTYPE_AS_STUDENT, SAVE_SHARD_BYTES);
    assert_dtype(&f, "bfloat16");
    finish(&f);
}

/* Files of at most so many bytes, with an index as transformers writes it. */
static void several_files(void **state)
{
    (void)state;
    enum { BYTES = 100000 };
    Fixture f;
    Json j;
    make(&f, qwen2vl);
    open_model(&f);
    save(&f, DTYPE_FLOAT32, BYTES);
    assert_false(is_saved(&f, "model.safetensors"));
    assert_same_weights(&f, F32);
    assert_int_equal(json_open(&j, path_in(f.saved, "model.safetensors.index.json"), 1 << 20, &f.error), OK);
    const json_t *map = json_object_get(j.root, "weight_map");
    const Checkpoint *c = &f.vlm.checkpoint;
    assert_int_equal(json_object_size(map), c->params);
    int64_t bytes = 0;
    int64_t files = 0;
    char wanted[80];
    char last[80] = "";
    for (int64_t i = 0; i < c->params; i++) {
        const char *name = json_string_value(json_object_get(map, c->param[i]->name));
        bytes += c->param[i]->count * 4;
        if (strcmp(name, last)) /* the next one */
            files++;
        snprintf(last, sizeof last, "%s", name);
    }
    snprintf(wanted, sizeof wanted, "model-%05d-of-%05d.safetensors", (int)files, (int)files);
    assert_string_equal(last, wanted);
    assert_true(files > 3);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(j.root, "metadata"), "total_size")),
                     bytes);
    for (int64_t i = 0; i < files; i++) {
        SafeTensors s;
        char name[80];
        int64_t held = 0;
        snprintf(name, sizeof name, "model-%05d-of-%05d.safetensors", (int)i + 1, (int)files);
        assert_int_equal(safetensors_open(&s, path_in(f.saved, name), &f.error), OK);
        for (int64_t k = 0; k < s.count; k++)
            held += (int64_t)s.tensor[k].bytes;
        assert_true(held <= BYTES || s.count == 1);
        safetensors_close(&s);
    }
    json_close(&j);
    save(&f, DTYPE_FLOAT32, bytes); /* just fits into one */
    assert_true(is_saved(&f, "model.safetensors") && !is_saved(&f, "model.safetensors.index.json"));
    save(&f, DTYPE_FLOAT32, bytes - 1);
    assert_true(is_saved(&f, "model-00002-of-00002.safetensors"));
    save(&f, DTYPE_FLOAT32, 1); /* a tensor each */
    assert_same_weights(&f, F32);
    finish(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(other_files), cmocka_unit_test(replaces),
                                       cmocka_unit_test(types), cmocka_unit_test(type_of_most_values),
                                       cmocka_unit_test(several_files)};
    const FamilyTest families[] = {{"saved and loaded, the same values come out", same_values_come_out}};
    int failed = run_family_tests(EACH_FAMILY, families, 1);
    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
