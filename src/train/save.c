/* Writing a model as a Hugging Face checkpoint: what went in comes out, with other values.
 *
 * Invariant: FOLDER is complete or not there. What is written stands in FOLDER.tmp until it is
 * renamed. Each file of weights is written from the tensors of the file that was read: their names
 * there, their order, their types; the index stays as it was. What is no parameter (a buffer) is copied. */
#include "train/save.h"

#include "base/file.h"
#include "base/folder.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/word.h"
#include "config/config.h"
#include "model/adapter.h"

#include <stdlib.h>
#include <string.h>

static const char index_name[] = "model.safetensors.index.json";
static const char adapter_name[] = "adapter";

/* ---------------------------------------------------------------------------------- weights */

/* The type that a tensor is written with. */
static Dtype written_dtype(const Tensor *t, const Param *p, int dtype)
{
    if (!p || dtype == DTYPE_AS_STUDENT)
        return t->dtype;
    return dtype == DTYPE_FLOAT32 ? F32 : BF16;
}

/* The tensor t of a file as it is written now. */
static TensorOut tensor_out(const Checkpoint *c, const Tensor *t, int dtype)
{
    const Param *p = checkpoint_param_of(c, t);
    TensorOut out = {.name = t->name, .dtype = written_dtype(t, p, dtype), .ndim = t->ndim};
    memcpy(out.dim, t->dim, sizeof out.dim);
    if (!p || (!p->master && !p->lora && out.dtype == t->dtype)) {
        out.data = t->data;
        out.as_stored = true;
    } else if (p->lora) {
        out.data = p;
        out.values = adapter_merged;
    } else {
        out.data = p->weight.data;
        out.held = p->weight.type;
    }
    return out;
}

static Status write_file(const Checkpoint *c, const SafeTensors *file, const char *folder, int dtype,
                         Error *e)
{
    char *path = path_join(folder, path_name(file->path), e);
    TensorOut *out = memory_new(file->count, sizeof *out, e);
    for (int64_t i = 0; out && i < file->count; i++)
        out[i] = tensor_out(c, file->tensor + i, dtype);
    safetensors_write(path, out, file->count, e);
    free(out);
    free(path);
    return e->status;
}

/* Takes `value` over. */
static Status write_json(const char *folder, const char *name, json_t *value, Error *e)
{
    char *path = path_join(folder, name, e);
    Text text = {0};
    json_print(&text, value, JSON_INDENT(2), e);
    text_add(&text, "\n", e);
    file_replace(path, text_string(&text), text.count, e);
    free(path);
    text_free(&text);
    json_decref(value);
    return e->status;
}

/* A JSON file of the model's folder; owned: json_close. */
static Status open_json(Json *j, const Vlm *vlm, const char *name, Error *e)
{
    char *path = path_join(vlm->folder, name, e);
    json_open(j, path, JSON_LARGE, e);
    free(path);
    return e->status;
}

/* The index with the size that the weights have with this type. */
static Status write_index(const Vlm *vlm, const char *folder, int dtype, Error *e)
{
    Json j;
    int64_t bytes = 0;
    for (int64_t f = 0; f < vlm->checkpoint.files; f++)
        for (int64_t i = 0; i < vlm->checkpoint.file[f].count; i++) {
            const Tensor *t = vlm->checkpoint.file[f].tensor + i;
            const Dtype type = written_dtype(t, checkpoint_param_of(&vlm->checkpoint, t), dtype);
            bytes += t->count * (int64_t)dtype_size(type);
        }
    open_json(&j, vlm, index_name, e);
    json_t *metadata = json_object_get(j.root, "metadata");
    if (json_is_object(metadata))
        json_put(metadata, "total_size", json_integer(bytes), e);
    write_json(folder, index_name, json_incref(j.root), e);
    json_close(&j);
    return e->status;
}

static Status write_weights(const Vlm *vlm, const char *folder, int dtype, Error *e)
{
    const Checkpoint *c = &vlm->checkpoint;
    for (int64_t f = 0; f < c->files && e->status == OK; f++)
        write_file(c, c->file + f, folder, dtype, e);
    char *index = path_join(folder, index_name, e); /* the copy, where there is one */
    if (e->status == OK && dtype != DTYPE_AS_STUDENT && file_exists(index))
        write_index(vlm, folder, dtype, e);
    free(index);
    return e->status;
}

/* ------------------------------------------------------------------------------ other files */

/* Sets the type of the weights in an object of config.json, under the key that it has for it. */
static void set_dtype(json_t *o, const char *name, bool needed, Error *e)
{
    const bool newer = json_object_get(o, "dtype") != NULL;
    const bool older = json_object_get(o, "torch_dtype") != NULL;
    if (newer)
        json_put(o, "dtype", json_string(name), e);
    if (older || (needed && !newer))
        json_put(o, "torch_dtype", json_string(name), e);
}

/* config.json in place of the copy, with the type that the weights have now. */
static Status write_config(const Vlm *vlm, const char *folder, int dtype, Error *e)
{
    const char *name = dtype == DTYPE_FLOAT32 ? "float32" : "bfloat16";
    Json j;
    open_json(&j, vlm, "config.json", e);
    set_dtype(j.root, name, true, e);
    set_dtype(json_object_get(j.root, "text_config"), name, false, e);
    set_dtype(json_object_get(j.root, "vision_config"), name, false, e);
    write_json(folder, "config.json", json_incref(j.root), e);
    json_close(&j);
    return e->status;
}

/* Whether a file of the model's folder belongs to the result. Its weights do not, in whatever form:
 * they are other ones now. */
static bool is_copied(const char *name)
{
    static const char *const left_out[] = {".safetensors", ".bin",     ".bin.index.json", ".pt",   ".pth",
                                           ".h5",          ".msgpack", ".gguf",           ".onnx", ".tmp"};
    for (size_t i = 0; i < sizeof left_out / sizeof *left_out; i++)
        if (ends_with(name, left_out[i]))
            return false;
    return true;
}

static Status copy_file(const char *from, const char *folder, const char *name, Error *e)
{
    Text text = {0};
    char *source = path_join(from, name, e);
    char *target = path_join(folder, name, e);
    if (target && file_size(source) >= 0) { /* not a folder */
        file_read(&text, source, (size_t)1 << 28, e);
        file_replace(target, text_string(&text), text.count, e);
    }
    text_free(&text);
    free(source);
    free(target);
    return e->status;
}

static Status copy_files(const char *from, const char *folder, Error *e)
{
    char **names;
    int64_t count;
    folder_list(&names, &count, from, NULL, e);
    for (int64_t i = 0; i < count && e->status == OK; i++)
        if (is_copied(names[i]))
            copy_file(from, folder, names[i], e);
    names_free(names, count);
    return e->status;
}

/* FOLDER/adapter stands below it, and folder_remove leaves folders alone. */
static Status remove_files(const char *folder, Error *e)
{
    char *adapter = path_join(folder, adapter_name, e);
    folder_remove(adapter, e);
    folder_remove(folder, e);
    free(adapter);
    return e->status;
}

Status save_remove(const char *folder, Error *e)
{
    Text old = {0};
    text_format(&old, e, "%s.old.tmp", folder);
    remove_files(old.data, e); /* what a kill left */
    if (e->status == OK && file_exists(folder)) {
        file_rename(folder, old.data, e);
        remove_files(old.data, e);
    }
    text_free(&old);
    return e->status;
}

Status save_checkpoint(const Vlm *vlm, const char *folder, int dtype, bool adapter, Error *e)
{
    Text work = {0};
    text_format(&work, e, "%s.tmp", folder);
    remove_files(work.data, e);
    folder_make(work.data, e);
    copy_files(vlm->folder, work.data, e);
    if (dtype != DTYPE_AS_STUDENT)
        write_config(vlm, work.data, dtype, e);
    write_weights(vlm, work.data, dtype, e);
    if (adapter) {
        char *below = path_join(work.data, adapter_name, e);
        adapter_save(vlm, below, e);
        free(below);
    }
    save_remove(folder, e);
    file_rename(work.data, folder, e);
    text_free(&work);
    return e->status;
}
