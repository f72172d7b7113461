#include "train/state.h"

#include "base/file.h"
#include "base/folder.h"
#include "base/json.h"
#include "base/hash.h"
#include "base/path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const parts[] = {"master", "mean", "square"};
enum { PARTS = 3 };

static float *part_data(const Trained *t, int part)
{
    float *const data[] = {t->p->master, t->mean, t->square};
    return data[part];
}

static Status hash_path(const char *path, uint64_t *hash, Error *e)
{
    FileMap m;
    Status status = file_map(&m, path, e);
    if (status == OK)
        *hash = hash_words(HASH_START, m.data, m.size);
    file_unmap(&m);
    return status;
}

static Status write_weights(const Optimiser *a, const char *path, Error *e)
{
    TensorOut *out = memory_new(a->count * PARTS, sizeof *out, e);
    Text *names = memory_new(a->count * PARTS, sizeof *names, e);
    Status status = out && names ? OK : NO_MEMORY;
    for (int64_t i = 0; i < a->count * PARTS && status == OK; i++) {
        const Trained *t = a->trained + i / PARTS;
        if (!text_format(names + i, e, "%s.%s", parts[i % PARTS], t->p->name))
            status = NO_MEMORY;
        out[i] =
            (TensorOut){.name = names[i].data, .ndim = t->p->ndim, .data = part_data(t, (int)(i % PARTS))};
        memcpy(out[i].dim, t->p->dim, sizeof out[i].dim);
    }
    if (status == OK)
        status = safetensors_write(path, out, a->count * PARTS, e);
    for (int64_t i = 0; names && i < a->count * PARTS; i++)
        text_free(names + i);
    free(names);
    free(out);
    return status;
}

static int64_t size_or_zero(const char *path)
{
    int64_t size = file_size(path);
    return size < 0 ? 0 : size;
}

static Status write_description(const Optimiser *a, const TrainFiles *f, const char *path, uint64_t hash,
                                Error *e)
{
    char text[40];
    snprintf(text, sizeof text, "%016llx", (unsigned long long)hash);
    json_t *o =
        json_pack("{s:I, s:s, s:s, s:I, s:I}", "step", (json_int_t)a->step, "fingerprint", f->fingerprint,
                  "weights", text, "metrics", (json_int_t)size_or_zero(f->metrics_path), "timings",
                  (json_int_t)size_or_zero(f->timings_path));
    char *json = o ? json_dumps(o, JSON_INDENT(1)) : NULL;
    Status status =
        json ? file_replace(path, json, strlen(json), e) : error_set(e, NO_MEMORY, "out of memory");
    free(json);
    json_decref(o);
    return status;
}

/* Number of the state that the folder name describes; -1: none. */
static int64_t state_number(const char *name)
{
    long long n;
    char end;
    return sscanf(name, "step-%lld%c", &n, &end) == 1 ? (int64_t)n : -1;
}

/* Calls for the highest-numbered state below `below`; -1: none. */
static int64_t newest_below(const char *folder, int64_t below, Error *e)
{
    char **names;
    int64_t count, best = -1;
    if (!file_is_folder(folder) || folder_list(&names, &count, folder, NULL, e) != OK)
        return -1;
    for (int64_t i = 0; i < count; i++) {
        int64_t n = state_number(names[i]);
        if (n > best && n < below)
            best = n;
    }
    names_free(names, count);
    return best;
}

static Status remove_state(const char *folder, int64_t number, Error *e)
{
    Text path = {0};
    Status status = text_format(&path, e, "%s/step-%lld", folder, (long long)number)
                        ? folder_remove(path.data, e)
                        : NO_MEMORY;
    text_free(&path);
    return status;
}

Status state_save(const Optimiser *a, const TrainFiles *f, Error *e)
{
    Text work = {0}, final = {0}, weights = {0}, description = {0};
    uint64_t hash;
    bool named = text_format(&final, e, "%s/step-%lld", f->state_folder, (long long)a->step) &&
                 text_format(&work, e, "%s.tmp", final.data) &&
                 text_format(&weights, e, "%s/weights.safetensors", work.data) &&
                 text_format(&description, e, "%s/state.json", work.data);
    Status status = named ? folder_remove(work.data, e) : NO_MEMORY;
    if (status == OK)
        status = folder_make(work.data, e);
    if (status == OK)
        status = write_weights(a, weights.data, e);
    if (status == OK)
        status = hash_path(weights.data, &hash, e);
    if (status == OK)
        status = write_description(a, f, description.data, hash, e);
    if (status == OK)
        status = folder_remove(final.data, e);
    if (status == OK)
        status = file_rename(work.data, final.data, e);
    int64_t before = status == OK ? newest_below(f->state_folder, a->step, e) : -1;
    for (int64_t old; before >= 0 && status == OK && (old = newest_below(f->state_folder, before, e)) >= 0;)
        status = remove_state(f->state_folder, old, e);
    text_free(&work);
    text_free(&final);
    text_free(&weights);
    text_free(&description);
    return status;
}

static Status read_weights(Optimiser *a, const char *path, Error *e)
{
    SafeTensors s;
    Status status = safetensors_open(&s, path, e);
    for (int64_t i = 0; i < a->count * PARTS && status == OK; i++) {
        const Trained *t = a->trained + i / PARTS;
        char name[400];
        snprintf(name, sizeof name, "%s.%s", parts[i % PARTS], t->p->name);
        const Tensor *from = safetensors_find(&s, name);
        if (!from || from->dtype != F32 || from->count != t->p->count)
            status = error_set(e, BAD_INPUT, "%s: lacks tensor %s or has it with another shape", path, name);
        else
            tensor_read(from, part_data(t, (int)(i % PARTS)));
    }
    safetensors_close(&s);
    return status;
}

/* Reads one state; false, with nothing changed, when it is not whole. A state of another run is
 * an error. */
static bool take_up(Optimiser *a, const TrainFiles *f, int64_t number, Error *e)
{
    Text weights = {0}, description = {0};
    Error inner = {0};
    Json j = {0};
    char text[40] = "";
    uint64_t hash;
    const char *recorded = "", *fingerprint = "";
    int64_t step = -1, metrics = 0, timings = 0;
    bool whole =
        text_format(&weights, e, "%s/step-%lld/weights.safetensors", f->state_folder, (long long)number) &&
        text_format(&description, e, "%s/step-%lld/state.json", f->state_folder, (long long)number) &&
        json_open(&j, description.data, 1 << 20, &inner) == OK &&
        hash_path(weights.data, &hash, &inner) == OK;
    if (whole) {
        snprintf(text, sizeof text, "%016llx", (unsigned long long)hash);
        json_string_in(&j, j.root, "", "weights", &recorded, &inner);
        json_string_in(&j, j.root, "", "fingerprint", &fingerprint, &inner);
        json_integer_in(&j, j.root, "", "step", 0, INT64_MAX, &step, &inner);
        json_integer_in(&j, j.root, "", "metrics", 0, INT64_MAX, &metrics, &inner);
        json_integer_in(&j, j.root, "", "timings", 0, INT64_MAX, &timings, &inner);
        whole = inner.status == OK && !strcmp(text, recorded) && step == number;
    }
    if (whole && strcmp(fingerprint, f->fingerprint))
        error_set(e, BAD_USAGE,
                  "%s: belongs to a run with other data or settings (then: %.300s; now: %.300s); remove the "
                  "folder to start anew",
                  description.data, fingerprint, f->fingerprint);
    else if (whole && read_weights(a, weights.data, e) == OK &&
             file_truncate(f->metrics_path, metrics, e) == OK &&
             file_truncate(f->timings_path, timings, e) == OK)
        a->step = step;
    json_close(&j);
    text_free(&weights);
    text_free(&description);
    return whole;
}

Status state_resume(Optimiser *a, const TrainFiles *f, Error *e)
{
    int64_t number = newest_below(f->state_folder, INT64_MAX, e);
    while (number >= 0 && e->status == OK && !take_up(a, f, number, e))
        number = newest_below(f->state_folder, number, e);
    if (number < 0 && e->status == OK) {
        const char *const paths[] = {f->metrics_path, f->timings_path};
        for (int i = 0; i < 2 && e->status == OK; i++)
            if (file_replace(paths[i], "", 0, e) != OK)
                break;
    }
    return e->status;
}

Status train_state_remove(const char *folder, Error *e)
{
    if (!file_is_folder(folder))
        return OK;
    for (int64_t n; e->status == OK && (n = newest_below(folder, INT64_MAX, e)) >= 0;)
        remove_state(folder, n, e);
    char **names;
    int64_t count;
    Status status = e->status == OK ? folder_list(&names, &count, folder, NULL, e) : e->status;
    if (status != OK)
        return status;
    for (int64_t i = 0; i < count && status == OK; i++) { /* a state that a kill left half-written */
        char *path = path_join(folder, names[i], e);
        status = path ? folder_remove(path, e) : NO_MEMORY;
        free(path);
    }
    names_free(names, count);
    return status == OK ? folder_remove(folder, e) : status;
}
