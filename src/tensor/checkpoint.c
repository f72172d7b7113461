/* The files of a checkpoint folder, and the names of their tensors. The invariant once it is
 * open: `name` holds every tensor of every file, sorted by name, and no name twice. (The layout
 * is that of transformers' save_pretrained.) */
#include "tensor/checkpoint_names.h"

#include "base/json.h"
#include "base/path.h"
#include "base/word.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int name_order(const void *a, const void *b)
{
    return strcmp(((const Name *)a)->name, ((const Name *)b)->name);
}

Name *checkpoint_find(const Checkpoint *c, const char *name)
{
    Name key = {.name = (char *)(uintptr_t)name};
    return c->names ? bsearch(&key, c->name, (size_t)c->names, sizeof *c->name, name_order) : NULL;
}

/* Sorts the names; two of the same are an error. */
static Status sort_names(Checkpoint *c, Error *e)
{
    if (e->status != OK)
        return e->status;
    if (c->names)
        qsort(c->name, (size_t)c->names, sizeof *c->name, name_order);
    for (int64_t i = 1; i < c->names; i++) {
        const Name *a = c->name + i - 1;
        const Name *b = c->name + i;
        if (!strcmp(a->name, b->name))
            return error_set(e, BAD_INPUT, "%s: tensor %s and tensor %s of %s are the same parameter, %s",
                             b->path, b->tensor->name, a->tensor->name, path_name(a->path), b->name);
    }
    return OK;
}

static Status add_file(Checkpoint *c, const char *name, Error *e)
{
    SafeTensors *more = memory_grow(c->file, c->files + 1, sizeof *c->file, e);
    char *path = path_join(c->folder, name, e);
    if (more)
        c->file = more;
    if (e->status == OK && safetensors_open(c->file + c->files, path, e) == OK)
        c->files++;
    free(path);
    return e->status;
}

/* Called when all files are open: tensors are borrowed from their array, which must not move. */
static Status collect_names(Checkpoint *c, Error *e)
{
    if (e->status != OK)
        return e->status;
    int64_t total = 0;
    for (int64_t f = 0; f < c->files; f++)
        total += c->file[f].count;
    c->name = memory_new(total, sizeof *c->name, e);
    if (!c->name)
        return e->status;
    for (int64_t f = 0; f < c->files; f++)
        for (int64_t i = 0; i < c->file[f].count; i++) {
            const Tensor *t = c->file[f].tensor + i;
            char *copy = memory_copy(t->name, e);
            if (!copy)
                return e->status;
            c->name[c->names] = (Name){copy, t, c->file[f].path, NULL, false};
            c->names++;
        }
    return sort_names(c, e);
}

/* The shard of that name if it is open, else NULL. */
static const SafeTensors *file_of(const Checkpoint *c, const char *name)
{
    for (int64_t i = 0; i < c->files; i++)
        if (!strcmp(path_name(c->file[i].path), name))
            return c->file + i;
    return NULL;
}

static Status open_shards(Checkpoint *c, const Json *index, json_t *map, Error *e)
{
    const char *tensor;
    json_t *shard;
    json_object_foreach(map, tensor, shard)
    {
        const char *name = json_string_value(shard);
        if (e->status != OK)
            return e->status;
        if (!name || strchr(name, '/') || strchr(name, '\\') || strstr(name, "..") || !*name)
            return error_set(e, BAD_INPUT,
                             "%s: weight_map.%s: wanted the name of a file in this folder, found %s",
                             index->path, tensor, name ? name : json_kind(shard));
        if (!file_of(c, name) && add_file(c, name, e) != OK)
            error_prefix(e, "%s: weight_map.%s", index->path, tensor);
    }
    return e->status;
}

/* The error for a tensor that its shard lacks: another shard may hold it. */
static Status wrong_shard(const Checkpoint *c, const Json *index, const char *tensor, const char *shard,
                          Error *e)
{
    for (int64_t i = 0; i < c->files; i++)
        if (safetensors_find(c->file + i, tensor))
            return error_set(e, BAD_INPUT, "%s: tensor %s is listed for %s, but is in %s", index->path,
                             tensor, shard, path_name(c->file[i].path));
    return error_set(e, BAD_INPUT, "%s: tensor %s is listed for %s, which lacks it", index->path, tensor,
                     shard);
}

/* Every tensor of the index is in the shard that it names, and no shard holds any other. */
static Status check_index(const Checkpoint *c, const Json *index, const json_t *map, Error *e)
{
    if (e->status != OK)
        return e->status;
    const char *tensor;
    json_t *shard;
    json_object_foreach((json_t *)(uintptr_t)map, tensor, shard)
    {
        if (!safetensors_find(file_of(c, json_string_value(shard)), tensor))
            return wrong_shard(c, index, tensor, json_string_value(shard), e);
    }
    for (int64_t f = 0; f < c->files; f++)
        for (int64_t i = 0; i < c->file[f].count; i++) {
            const char *name = c->file[f].tensor[i].name;
            const char *listed = json_string_value(json_object_get(map, name));
            if (!listed || strcmp(listed, path_name(c->file[f].path)))
                return error_set(e, BAD_INPUT, "%s: tensor %s is not listed for this file in %s",
                                 c->file[f].path, name, path_name(index->path));
        }
    return OK;
}

static Status open_index(Checkpoint *c, const char *path, Error *e)
{
    Json index;
    json_t *map;
    json_open(&index, path, JSON_LARGE, e);
    if (e->status == OK && !json_is_object(index.root))
        error_set(e, BAD_INPUT, "%s: wanted an object, found %s", path, json_kind(index.root));
    json_object_in(&index, index.root, "", "weight_map", &map, e);
    open_shards(c, &index, map, e);
    check_index(c, &index, map, e);
    collect_names(c, e);
    json_close(&index);
    return e->status;
}

/* The error for a folder with neither file: it names what is there instead. */
static Status nothing_found(const char *folder, Error *e)
{
    static const char *const others[] = {"pytorch_model.bin", "pytorch_model.bin.index.json",
                                         "adapter_model.safetensors", "model.gguf"};
    if (!file_is_folder(folder))
        return error_set(e, BAD_INPUT,
                         "%s: is not a folder; wanted one with config.json and model.safetensors", folder);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        char *path = path_join(folder, others[i], e);
        bool there = path && file_exists(path);
        free(path);
        if (there)
            return error_set(e, BAD_INPUT,
                             "%s: holds %s, but neither model.safetensors nor model.safetensors.index.json; "
                             "only these are read",
                             folder, others[i]);
    }
    return error_set(e, BAD_INPUT, "%s: holds neither model.safetensors nor model.safetensors.index.json",
                     folder);
}

/* As in transformers, a single file is preferred to an index. */
Status checkpoint_open(Checkpoint *c, const char *folder, Error *e)
{
    *c = (Checkpoint){0};
    c->folder = memory_copy(folder, e);
    char *single = path_join(folder, "model.safetensors", e);
    char *index = path_join(folder, "model.safetensors.index.json", e);
    if (e->status == OK && file_exists(single)) {
        add_file(c, "model.safetensors", e);
        collect_names(c, e);
    } else if (e->status == OK && file_exists(index)) {
        open_index(c, index, e);
    } else if (e->status == OK) {
        nothing_found(folder, e);
    }
    free(single);
    free(index);
    if (e->status != OK)
        checkpoint_close(c);
    return e->status;
}

void checkpoint_close(Checkpoint *c)
{
    for (int64_t i = 0; i < c->params; i++) {
        free(c->param[i]->master);
        free(c->param[i]->copy);
        free(c->param[i]);
    }
    for (int64_t i = 0; i < c->names; i++)
        free(c->name[i].name);
    for (int64_t i = 0; i < c->files; i++)
        safetensors_close(c->file + i);
    free(c->param);
    free(c->name);
    free(c->file);
    free(c->folder);
    *c = (Checkpoint){0};
}

void checkpoint_invent(Checkpoint *c)
{
    *c = (Checkpoint){.invented = true};
}

Status checkpoint_rename(Checkpoint *c, const char *from, const char *to, Error *e)
{
    if (e->status != OK)
        return e->status;
    size_t length = strlen(from);
    for (int64_t i = 0; i < c->names; i++)
        if (!strncmp(c->name[i].name, from, length)) {
            Text t = {0};
            assert(!c->name[i].param); /* a parameter borrows its name */
            if (text_format(&t, e, "%s%s", to, c->name[i].name + length) != OK)
                return e->status;
            free(c->name[i].name);
            c->name[i].name = t.data;
        }
    return sort_names(c, e);
}

bool checkpoint_has(const Checkpoint *c, const char *name)
{
    return checkpoint_find(c, name) != NULL;
}

static bool ends_with_any(const char *name, const char *const *ending)
{
    for (; *ending; ending++)
        if (ends_with(name, *ending))
            return true;
    return false;
}

Status checkpoint_finish(const Checkpoint *c, const char *const *ignorable, Error *e)
{
    if (e->status != OK)
        return e->status;
    for (int64_t i = 0; i < c->names; i++)
        if (!c->name[i].used && !ends_with_any(c->name[i].name, ignorable))
            return error_set(e, BAD_INPUT,
                             "%s: tensor %s belongs to no part of the model that config.json describes",
                             c->name[i].path, c->name[i].name);
    return OK;
}
