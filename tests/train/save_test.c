/* Saved checkpoints: what goes in comes out. Names, types and files of the weights, with their values
 * or, with an adapter, merged ones; and what else is in the model's folder. */
#include "fixture/model_family.h"
#include "fixture/model_folder.h"
#include "fixture/must.h"
#include "fixture/tiny_run.h"

#include "base/file.h"
#include "base/folder.h"
#include "base/json.h"
#include "config/config.h"
#include "model/adapter.h"
#include "train/save.h"

#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char qwen2vl[] = "weights/tiny-qwen2vl-a";
static const char tied[] = "weights/tiny-qwen2vl-b";
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

static void save(Fixture *f, int dtype)
{
    save_checkpoint(&f->vlm, f->saved, dtype, f->vlm.adapter.count > 0, &f->error);
    must(&f->error);
}

static void finish(Fixture *f)
{
    Error e = {0};
    vlm_close(&f->vlm);
    assert_int_equal(save_remove(f->saved, &e), OK);
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
    save(&f, DTYPE_FLOAT32);
    assert_same_weights(&f, F32);
    if (f.vlm.checkpoint.param[0]->stored == BF16) {
        save(&f, DTYPE_BFLOAT16);
        assert_same_weights(&f, BF16);
    }
    finish(&f);
}

/* All files are copied, byte for byte, but other weights: they are the original's. */
static void other_files(void **state)
{
    (void)state;
    static const char *const copied[] = {"chat_template.jinja", "merges.txt", "README.md", "LICENSE",
                                         ".gitattributes",      "notes.json", "empty"};
    enum { COPIED = sizeof copied / sizeof *copied };
    static const char *const left_out[] = {
        "model.bin",   "model.gguf", "old.tmp",     "pytorch_model.bin.index.json",
        "model.onnx",  "weights.pt", "weights.pth", "tf_model.h5",
        "flax.msgpack"};
    static const char odd[] = "a\0b\n\xff";
    Fixture f;
    make(&f, qwen2vl);
    for (size_t i = 0; i < COPIED; i++)
        model_folder_write(f.folder, copied[i], odd, i + 1 < COPIED ? sizeof odd : 0);
    for (size_t i = 0; i < sizeof left_out / sizeof *left_out; i++)
        model_folder_write(f.folder, left_out[i], odd, sizeof odd);
    open_model(&f);
    assert_int_equal(folder_make(path_in(f.folder, "onnx"), &f.error), OK);
    save(&f, DTYPE_FLOAT32);
    for (size_t i = 0; i < COPIED; i++) {
        Text t = {0};
        assert_int_equal(file_read(&t, path_in(f.saved, copied[i]), 1000, &f.error), OK);
        assert_int_equal(t.count, i + 1 < COPIED ? sizeof odd : 0);
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
    save(&f, DTYPE_FLOAT32);
    assert_false(is_saved(&f, "old") || is_saved(&f, "half") || file_exists(work));
    assert_same_weights(&f, F32);
    finish(&f);
}

/* A removal that ends half way, here at a folder that is not ours, leaves nothing in the folder's place that could
 * pass for a checkpoint; the next one ends it. */
static void removed_whole(void **state)
{
    (void)state;
    Fixture f;
    char old[400], foreign[420], kept[400];
    make(&f, qwen2vl);
    open_model(&f);
    save(&f, DTYPE_FLOAT32);
    snprintf(old, sizeof old, "%s.old.tmp", f.saved);
    snprintf(foreign, sizeof foreign, "%s/foreign", f.saved);
    assert_int_equal(folder_make(foreign, &f.error), OK);
    snprintf(kept, sizeof kept, "%s.old", f.saved); /* a user's */
    assert_int_equal(folder_make(kept, &f.error), OK);
    Error e = {0};
    assert_int_equal(save_remove(f.saved, &e), FAILED);
    assert_false(file_exists(f.saved));
    assert_true(file_exists(old));
    snprintf(foreign, sizeof foreign, "%s/foreign", old);
    assert_int_equal(folder_remove(foreign, &f.error), OK);
    save(&f, DTYPE_FLOAT32);
    assert_true(file_exists(f.saved));
    assert_false(file_exists(old));
    assert_int_equal(save_remove(f.saved, &f.error), OK);
    assert_false(file_exists(f.saved) || file_exists(old));
    assert_true(file_exists(kept));
    assert_int_equal(folder_remove(kept, &f.error), OK);
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
    save(&f, DTYPE_AS_STUDENT);
    assert_same_weights(&f, BF16);
    assert_dtype(&f, "bfloat16");
    save(&f, DTYPE_FLOAT32);
    assert_same_weights(&f, F32);
    assert_dtype(&f, "float32");
    save(&f, DTYPE_BFLOAT16);
    assert_same_weights(&f, BF16);
    save(&f, DTYPE_FLOAT32);
    vlm_close(&f.vlm);
    char other[300];
    snprintf(other, sizeof other, "%s/again", f.scratch.folder);
    vlm_open(&f.vlm, f.saved, &f.error);
    save_checkpoint(&f.vlm, other, DTYPE_AS_STUDENT, false, &f.error);
    must(&f.error);
    vlm_close(&f.vlm);
    assert_int_equal(save_remove(f.saved, &f.error), OK);
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

/* Each tensor keeps its type where none is asked for; config.json then is the copy. */
static void types_are_kept(void **state)
{
    (void)state;
    enum { LARGE = 3000 };
    Fixture f;
    Vlm again;
    make(&f, smolvlm);
    open_model(&f);
    write_mixed(&f, LARGE);
    save(&f, DTYPE_AS_STUDENT);
    assert_int_equal(vlm_open(&again, f.saved, &f.error), OK);
    int64_t wide = 0;
    for (int64_t i = 0; i < again.checkpoint.params; i++) {
        assert_int_equal(again.checkpoint.param[i]->stored, f.vlm.checkpoint.param[i]->stored);
        wide += again.checkpoint.param[i]->stored == F32;
    }
    assert_true(wide > 0 && wide < again.checkpoint.params);
    vlm_close(&again);
    assert_dtype(&f, "bfloat16");
    finish(&f);
}

/* The names of the tensors of a file, in their order, one a line. */
static void list_tensors(Text *out, const char *folder, const char *file)
{
    SafeTensors s;
    Error e = {0};
    safetensors_open(&s, path_in(folder, file), &e);
    must(&e);
    for (int64_t i = 0; i < s.count; i++)
        text_format(out, &e, "%s %s %lld\n", s.tensor[i].name, dtype_name(s.tensor[i].dtype),
                    (long long)s.tensor[i].count);
    must(&e);
    safetensors_close(&s);
}

/* The same files with the same tensors, and an index that says so. */
static void files_are_kept(void **state)
{
    Fixture f;
    Text before = {0};
    Text after = {0};
    Json j;
    int64_t values = 0;
    make(&f, ((const FamilyGolden *)*state)->family->sharded);
    open_model(&f);
    const Checkpoint *c = &f.vlm.checkpoint;
    save(&f, DTYPE_AS_STUDENT);
    for (int64_t i = 0; i < c->files; i++) {
        const char *name = strrchr(c->file[i].path, '/') + 1;
        list_tensors(&before, f.folder, name);
        list_tensors(&after, f.saved, name);
        for (int64_t k = 0; k < c->file[i].count; k++)
            values += c->file[i].tensor[k].count;
    }
    assert_string_equal(text_string(&before), text_string(&after));
    static const char index[] = "model.safetensors.index.json";
    assert_true(is_saved(&f, index) == file_exists(path_in(f.folder, index)));
    if (is_saved(&f, index)) {
        save(&f, DTYPE_FLOAT32);
        assert_int_equal(json_open(&j, path_in(f.saved, index), 1 << 20, &f.error), OK);
        const json_t *size = json_object_get(json_object_get(j.root, "metadata"), "total_size");
        assert_int_equal(json_integer_value(size), 4 * values);
        json_close(&j);
        assert_same_weights(&f, F32);
    }
    text_free(&before);
    text_free(&after);
    finish(&f);
}

/* What is no parameter, and a tied head that stands in the file too: the one is copied, whatever its
 * type, the other follows what it is tied to. Names stay those of the file. */
static void buffers_and_tied(void **state)
{
    (void)state;
    static const int64_t numbers[3] = {1, -2, INT64_C(1) << 40};
    Fixture f;
    SafeTensors s;
    make(&f, tied);
    open_model(&f);
    const Checkpoint *c = &f.vlm.checkpoint;
    TensorOut *out = calloc((size_t)c->params + 2, sizeof *out);
    char path[400];
    assert_non_null(out);
    for (int64_t i = 0; i < c->params; i++) {
        const Param *p = c->param[i];
        out[i] = (TensorOut){p->name, F32, p->ndim, {0}, p->weight.data, F32, NULL, false};
        memcpy(out[i].dim, p->dim, sizeof out[i].dim);
    }
    assert_true(c->param[0]->stored == F32 && !checkpoint_has(c, "lm_head.weight"));
    int64_t table = 0;
    while (c->param[table] != f.vlm.head.weight)
        table++;
    out[c->params] = out[table];
    out[c->params].name = "lm_head.weight";
    out[c->params + 1] = (TensorOut){"model.rotary_emb.inv_freq", I64, 1, {3}, numbers, I64, NULL, true};
    snprintf(path, sizeof path, "%s/all", f.scratch.folder);
    assert_int_equal(safetensors_write(path, out, c->params + 2, &f.error), OK);
    free(out);
    vlm_close(&f.vlm);
    assert_int_equal(file_rename(path, path_in(f.folder, "model.safetensors"), &f.error), OK);
    open_model(&f);
    checkpoint_make_trainable(f.vlm.head.weight, &f.error);
    must(&f.error);
    f.vlm.head.weight->master[0] = 7.5F;
    save(&f, DTYPE_AS_STUDENT);
    safetensors_open(&s, path_in(f.saved, "model.safetensors"), &f.error);
    must(&f.error);
    const Tensor *head = safetensors_find(&s, "lm_head.weight");
    const Tensor *buffer = safetensors_find(&s, "model.rotary_emb.inv_freq");
    assert_true(head && buffer && head->dtype == F32 && buffer->dtype == I64);
    float first;
    memcpy(&first, head->data, sizeof first);
    assert_true(first == 7.5F);
    assert_memory_equal(buffer->data, numbers, sizeof numbers);
    safetensors_close(&s);
    finish(&f);
}

/* w + scale B A where there are factors, the bytes that were there elsewhere; adapter/ beside them. */
static void with_an_adapter(void **state)
{
    Fixture f;
    Vlm again;
    make(&f, ((const FamilyGolden *)*state)->family->single);
    open_model(&f);
    adapter_make(&f.vlm, &(AdapterOptions){.rank = 3, .alpha = 5, .target = ""}, &f.error);
    must(&f.error);
    for (int64_t i = 0; i < f.vlm.adapter.count; i++)
        for (int64_t k = 0; k < f.vlm.adapter.lora[i]->b.count; k++)
            f.vlm.adapter.lora[i]->b.master[k] = (float)(k % 7 - 3);
    save(&f, DTYPE_AS_STUDENT);
    save(&f, DTYPE_AS_STUDENT); /* over the first */
    assert_true(is_saved(&f, "adapter/adapter_config.json") &&
                is_saved(&f, "adapter/adapter_model.safetensors"));
    assert_int_equal(vlm_open(&again, f.saved, &f.error), OK);
    for (int64_t i = 0; i < again.checkpoint.params; i++) {
        const Param *p = f.vlm.checkpoint.param[i];
        float *x = malloc((size_t)p->count * sizeof *x);
        float *y = malloc((size_t)p->count * sizeof *y);
        assert_true(x && y);
        weight_widen(x, &p->weight, 0, p->count);
        weight_widen(y, &again.checkpoint.param[i]->weight, 0, p->count);
        for (int64_t k = 0; p->lora && k < p->count; k++) {
            double sum = 0;
            const int64_t I = p->weight.stride;
            for (int64_t r = 0; r < 3; r++)
                sum += (double)p->lora->b.master[k / I * 3 + r] * (double)p->lora->a.master[r * I + k % I];
            x[k] = (float)((double)x[k] + (double)(5.0F / 3) * sum);
        }
        for (int64_t k = 0; k < p->count; k++)
            if (!(fabsf(x[k] - y[k]) <= 1e-6F * fabsf(x[k])))
                fail_msg("%s[%lld]: %g, wanted %g", p->name, (long long)k, (double)y[k], (double)x[k]);
        free(x);
        free(y);
    }
    vlm_close(&again);
    finish(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(other_files),    cmocka_unit_test(replaces),
                                       cmocka_unit_test(removed_whole),  cmocka_unit_test(types),
                                       cmocka_unit_test(types_are_kept), cmocka_unit_test(buffers_and_tied)};
    const FamilyTest families[] = {{"saved and loaded, the same values come out", same_values_come_out},
                                   {"the same files", files_are_kept},
                                   {"an adapter merged", with_an_adapter}};
    int failed = run_family_tests(EACH_FAMILY, families, sizeof families / sizeof *families);
    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
