/* Writing a model as a Hugging Face checkpoint: weights, config.json, and copies of what else
 * belongs to the model.
 *
 * Invariant: FOLDER is complete or not there. What is written stands in FOLDER.tmp until it is
 * renamed. layout_make() alone decides the type and the file of each tensor. Names, the index and
 * the shard size are those of transformers' save_pretrained. */
#include "train/save.h"

#include "base/file.h"
#include "base/folder.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/word.h"
#include "config/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ----------------------------------------------------------------------- what goes where */

/* How one parameter is stored. */
typedef struct {
    Dtype dtype;
    int64_t shard; /* number of its file, from 0 */
} Stored;

typedef struct {
    Stored *of; /* [params], in the checkpoint's order; owned */
    int64_t shards;
    int64_t bytes; /* of all weights */
} Layout;

static int64_t stored_bytes(const Param *p, Dtype dtype)
{
    return p->count * (int64_t)dtype_size(dtype);
}

/* The type of all weights: the one asked for, or the one that most of the student's values have. */
static Dtype output_dtype(const Checkpoint *c, int dtype)
{
    if (dtype == DTYPE_FLOAT32)
        return F32;
    if (dtype == DTYPE_BFLOAT16)
        return BF16;
    int64_t wide = 0;
    int64_t all = 0;
    for (int64_t i = 0; i < c->params; i++) {
        all += c->param[i]->count;
        if (c->param[i]->stored == F32)
            wide += c->param[i]->count;
    }
    return 2 * wide > all || !c->params ? F32 : c->param[0]->stored;
}

/* Owned: free(l->of). */
static Status layout_make(Layout *l, const Checkpoint *c, int dtype, int64_t shard_bytes, Error *e)
{
    *l = (Layout){.of = memory_new(c->params, sizeof *l->of, e), .shards = 1};
    Dtype type = output_dtype(c, dtype);
    int64_t in_shard = 0;
    for (int64_t i = 0; l->of && i < c->params; i++) {
        int64_t bytes = stored_bytes(c->param[i], type);
        if (in_shard && in_shard + bytes > shard_bytes) {
            l->shards++;
            in_shard = 0;
        }
        l->of[i] = (Stored){type, l->shards - 1};
        in_shard += bytes;
        l->bytes += bytes;
    }
    return e->status;
}

static void shard_name(char *name, size_t size, const Layout *l, int64_t shard)
{
    if (l->shards == 1)
        snprintf(name, size, "model.safetensors");
    else
        snprintf(name, size, "model-%05lld-of-%05lld.safetensors", (long long)shard + 1,
                 (long long)l->shards);
}

/* ---------------------------------------------------------------------------------- weights */

static Status write_shard(const Checkpoint *c, const Layout *l, int64_t shard, const char *folder, Error *e)
{
    char name[80];
    shard_name(name, sizeof name, l, shard);
    char *path = path_join(folder, name, e);
    TensorOut *out = memory_new(c->params, sizeof *out, e);
    int64_t count = 0;
    for (int64_t i = 0; out && i < c->params; i++) {
        if (l->of[i].shard != shard)
            continue;
        const Param *p = c->param[i];
        out[count] = (TensorOut){.name = p->name,
                                 .dtype = l->of[i].dtype,
                                 .ndim = p->ndim,
                                 .data = p->weight.data,
                                 .held = p->weight.type};
        memcpy(out[count].dim, p->dim, sizeof out[count].dim);
        count++;
    }
    safetensors_write(path, out, count, e);
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
    file_replace(path, text_string(&text), text.count, e);
    free(path);
    text_free(&text);
    json_decref(value);
    return e->status;
}

static Status write_index(const Checkpoint *c, const Layout *l, const char *folder, Error *e)
{
    json_t *map = json_object();
    for (int64_t i = 0; i < c->params; i++) {
        char name[80];
        shard_name(name, sizeof name, l, l->of[i].shard);
        json_put(map, c->param[i]->name, json_string(name), e);
    }
    json_t *index =
        json_pack("{s:{s:I}, s:o}", "metadata", "total_size", (json_int_t)l->bytes, "weight_map", map);
    return write_json(folder, "model.safetensors.index.json", index, e);
}

static Status write_weights(const Checkpoint *c, const Layout *l, const char *folder, Error *e)
{
    for (int64_t shard = 0; shard < l->shards && e->status == OK; shard++)
        write_shard(c, l, shard, folder, e);
    if (l->shards > 1 && e->status == OK)
        write_index(c, l, folder, e);
    return e->status;
}

/* ------------------------------------------------------------------------------ other files */

/* config.json in place of the copy, with the type that the weights have now. */
static Status write_config(const char *from, const char *folder, Dtype dtype, Error *e)
{
    static const char *const names[] = {[F32] = "float32", [BF16] = "bfloat16", [F16] = "float16"};
    Json j;
    char *path = path_join(from, "config.json", e);
    json_open(&j, path, 16 << 20, e);
    free(path);
    json_put(j.root, "torch_dtype", json_string(names[dtype]), e);
    write_json(folder, "config.json", json_incref(j.root), e);
    json_close(&j);
    return e->status;
}

/* Whether a file of the model's folder belongs to the result: tokenizer, processor, templates.
 * Weights, and what describes the original, do not. */
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
    return strcmp(name, "LICENSE") && name[0] != '.';
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

Status save_checkpoint(const Vlm *vlm, const char *folder, int dtype, int64_t shard_bytes, Error *e)
{
    Text work = {0};
    Layout layout;
    text_format(&work, e, "%s.tmp", folder);
    folder_remove(work.data, e);
    folder_make(work.data, e);
    copy_files(vlm->folder, work.data, e);
    layout_make(&layout, &vlm->checkpoint, dtype, shard_bytes, e);
    if (e->status == OK)
        write_config(vlm->folder, work.data, layout.of[0].dtype, e);
    write_weights(&vlm->checkpoint, &layout, work.data, e);
    folder_remove(folder, e);
    file_rename(work.data, folder, e);
    free(layout.of);
    text_free(&work);
    return e->status;
}
