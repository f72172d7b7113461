/* Writing a model as a complete Hugging Face checkpoint. */
#include "train/train.h"

#include "base/file.h"
#include "base/folder.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/word.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t SHARD_BYTES = INT64_C(5000000000);

static int64_t stored_bytes(const Param *p, Dtype dtype)
{
    return p->count * (int64_t)dtype_size(dtype);
}

/* The first parameter that does not fit into a shard beginning with `first`. */
static int64_t shard_end(const Checkpoint *c, int64_t first, Dtype dtype)
{
    int64_t bytes = 0, i = first;
    for (; i < c->params && (i == first || bytes + stored_bytes(c->param[i], dtype) <= SHARD_BYTES); i++)
        bytes += stored_bytes(c->param[i], dtype);
    return i;
}

static Status write_shard(const Checkpoint *c, int64_t first, int64_t last, const char *path, Dtype dtype,
                          Error *e)
{
    TensorOut *out = memory_new(last - first, sizeof *out, e);
    if (!out)
        return NO_MEMORY;
    for (int64_t i = first; i < last; i++) {
        const Param *p = c->param[i];
        out[i - first] = (TensorOut){
            .name = p->name, .dtype = dtype, .ndim = p->ndim, .data = p->weight.data, .held = p->weight.type};
        memcpy(out[i - first].dim, p->dim, sizeof out[i - first].dim);
    }
    Status status = safetensors_write(path, out, last - first, e);
    free(out);
    return status;
}

static Status write_json(const char *folder, const char *name, const json_t *value, Error *e)
{
    char *path = path_join(folder, name, e), *text = value ? json_dumps(value, JSON_INDENT(2)) : NULL;
    Status status =
        path && text ? file_replace(path, text, strlen(text), e) : error_set(e, NO_MEMORY, "out of memory");
    free(path);
    free(text);
    return status;
}

static Status write_weights(const Checkpoint *c, const char *folder, Dtype dtype, Error *e)
{
    int64_t shards = 0, bytes = 0, number = 0;
    for (int64_t i = 0; i < c->params; i = shard_end(c, i, dtype))
        shards++;
    for (int64_t i = 0; i < c->params; i++)
        bytes += stored_bytes(c->param[i], dtype);
    json_t *map = json_object();
    Status status = map ? OK : error_set(e, NO_MEMORY, "out of memory");
    for (int64_t i = 0, end; i < c->params && status == OK; i = end) {
        char name[80];
        end = shard_end(c, i, dtype);
        snprintf(name, sizeof name, shards > 1 ? "model-%05lld-of-%05lld.safetensors" : "model.safetensors",
                 (long long)++number, (long long)shards);
        char *path = path_join(folder, name, e);
        status = path ? write_shard(c, i, end, path, dtype, e) : NO_MEMORY;
        free(path);
        for (int64_t k = i; k < end && status == OK; k++)
            if (json_object_set_new(map, c->param[k]->name, json_string(name)))
                status = error_set(e, NO_MEMORY, "out of memory");
    }
    if (status == OK && shards > 1) {
        json_t *index =
            json_pack("{s:{s:I}, s:O}", "metadata", "total_size", (json_int_t)bytes, "weight_map", map);
        status = write_json(folder, "model.safetensors.index.json", index, e);
        json_decref(index);
    }
    json_decref(map);
    return status;
}

/* config.json with the type of the weights as they are now. */
static Status write_config(const char *from, const char *folder, Dtype dtype, Error *e)
{
    Json j;
    char *path = path_join(from, "config.json", e);
    Status status = path ? json_open(&j, path, 16 << 20, e) : NO_MEMORY;
    free(path);
    if (status != OK)
        return status;
    json_object_set_new(j.root, "torch_dtype",
                        json_string(dtype == BF16  ? "bfloat16"
                                    : dtype == F16 ? "float16"
                                                   : "float32"));
    status = write_json(folder, "config.json", j.root, e);
    json_close(&j);
    return status;
}

/* Files of the source folder that belong to the model as it is: tokenizer, processor, templates.
 * Weights and what describes the original are left out. */
static bool is_copied(const char *name)
{
    static const char *const left_out[] = {".safetensors", ".safetensors.index.json",
                                           ".bin",         ".bin.index.json",
                                           ".pt",          ".pth",
                                           ".h5",          ".msgpack",
                                           ".gguf",        ".onnx",
                                           ".md",          ".tmp"};
    for (size_t i = 0; i < sizeof left_out / sizeof *left_out; i++)
        if (ends_with(name, left_out[i]))
            return false;
    return strcmp(name, "config.json") && strcmp(name, "LICENSE") && name[0] != '.';
}

static Status copy_files(const char *from, const char *folder, Error *e)
{
    char **names;
    int64_t count;
    Status status = folder_list(&names, &count, from, NULL, e);
    for (int64_t i = 0; i < count && status == OK; i++) {
        Text text = {0};
        char *source = path_join(from, names[i], e), *target = path_join(folder, names[i], e);
        status = source && target ? OK : NO_MEMORY;
        if (status == OK && is_copied(names[i]) && file_size(source) >= 0) {
            status = file_read(&text, source, (size_t)1 << 28, e);
            if (status == OK)
                status = file_replace(target, text_string(&text), text.count, e);
        }
        text_free(&text);
        free(source);
        free(target);
    }
    names_free(names, count);
    return status;
}

Status save_checkpoint(const Vlm *vlm, const char *folder, Dtype dtype, Error *e)
{
    Text work = {0};
    Status status = text_format(&work, e, "%s.tmp", folder) ? folder_remove(work.data, e) : NO_MEMORY;
    if (status == OK)
        status = folder_make(work.data, e);
    if (status == OK)
        status = copy_files(vlm->folder, work.data, e);
    if (status == OK)
        status = write_config(vlm->folder, work.data, dtype, e);
    if (status == OK)
        status = write_weights(&vlm->checkpoint, work.data, dtype, e);
    if (status == OK)
        status = folder_remove(folder, e);
    if (status == OK)
        status = file_rename(work.data, folder, e);
    text_free(&work);
    return status;
}
