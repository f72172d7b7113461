/* Saving and loading states.
 *
 * Invariant: a folder step-N is whole. It is written as step-N.tmp and renamed; state.json holds
 * the hashes of its files, so that a state damaged later is found and the one before is loaded.
 * Two states are kept for that. Masters and moments are saved as they are, so a resumed run makes
 * the same bits as one that was never interrupted. */
#include "train/state.h"

#include "base/file.h"
#include "base/folder.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/map_guard.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/word.h"
#include "base/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------------------------- paths */

/* Owned: paths_free. */
typedef struct {
    Text folder, description;
} Paths;

static void paths_make(Paths *p, const char *state_folder, int64_t step, const char *ending, Error *e)
{
    *p = (Paths){0};
    text_format(&p->folder, e, "%s/step-%lld%s", state_folder, (long long)step, ending);
    text_format(&p->description, e, "%s/state.json", text_string(&p->folder));
}

static void paths_free(Paths *p)
{
    text_free(&p->folder);
    text_free(&p->description);
}

/* The N of step-N, written as this program writes it; -1: the name is another. */
static int64_t step_of_name(const char *name)
{
    int64_t step = -1;
    if (strncmp(name, "step-", 5) || !parse_integer(name + 5, &step) || step < 0)
        return -1;
    char own[40];
    snprintf(own, sizeof own, "step-%lld", (long long)step);
    return strcmp(own, name) ? -1 : step;
}

/* Whether the name in it is that of a folder; a file may be anyone's. */
static bool is_folder_in(const char *state_folder, const char *name, Error *e)
{
    char *path = path_join(state_folder, name, e);
    const bool is = path && file_is_folder(path);
    free(path);
    return is;
}

/* The latest step before `end` that has a state; -1: there is none. */
static int64_t latest_before(const char *state_folder, int64_t end, Error *e)
{
    char **names;
    int64_t count;
    int64_t latest = -1;
    if (e->status != OK || !file_is_folder(state_folder))
        return -1;
    folder_list(&names, &count, state_folder, NULL, e);
    for (int64_t i = 0; i < count; i++) {
        int64_t step = step_of_name(names[i]);
        if (step < end && step > latest && is_folder_in(state_folder, names[i], e))
            latest = step;
    }
    names_free(names, count);
    return latest;
}

/* ----------------------------------------------------------------------------------- saving */

static int64_t size_or_zero(const char *path)
{
    int64_t size = file_size(path);
    return size < 0 ? 0 : size;
}

static Status write_description(const Optimiser *a, const TrainFiles *f, const StateWriter *w,
                                const char *path, Error *e)
{
    json_t *o = json_object();
    Text text = {0};
    json_put(o, "step", json_integer((json_int_t)a->step), e);
    json_put(o, "fingerprint", json_string(f->fingerprint), e);
    for (int k = 0; k < STATE_KINDS; k++)
        json_put(o, state_kind_name[k], json_string(w->hash[k]), e);
    json_put(o, "metrics", json_integer((json_int_t)size_or_zero(f->metrics_path)), e);
    json_put(o, "timings", json_integer((json_int_t)size_or_zero(f->timings_path)), e);
    json_print(&text, o, JSON_INDENT(1), e);
    file_replace(path, text_string(&text), text.count, e);
    text_free(&text);
    json_decref(o);
    return e->status;
}

static Status remove_before(const char *state_folder, int64_t end, Error *e)
{
    int64_t step = latest_before(state_folder, end, e);
    while (step >= 0 && e->status == OK) {
        Paths p;
        paths_make(&p, state_folder, step, "", e);
        folder_remove(p.folder.data, e);
        paths_free(&p);
        step = latest_before(state_folder, step, e);
    }
    return e->status;
}

Status state_begin(StateWriter *w, const Optimiser *a, const TrainFiles *f, Error *e)
{
    Paths work;
    paths_make(&work, f->state_folder, a->step, ".tmp", e);
    map_guard_check(e);
    remove_before(f->state_folder, latest_before(f->state_folder, a->step, e), e);
    folder_remove(work.folder.data, e);
    folder_make(work.folder.data, e);
    state_files_begin(w, a, text_string(&work.folder), e);
    paths_free(&work);
    return e->status;
}

Status state_end(StateWriter *w, const Optimiser *a, const TrainFiles *f, Error *e)
{
    Paths work;
    Paths whole;
    paths_make(&work, f->state_folder, a->step, ".tmp", e);
    paths_make(&whole, f->state_folder, a->step, "", e);
    state_files_end(w, e);
    write_description(a, f, w, work.description.data, e);
    folder_remove(whole.folder.data, e);
    file_rename(work.folder.data, whole.folder.data, e);
    paths_free(&work);
    paths_free(&whole);
    return e->status;
}

Status state_save(const Optimiser *a, const TrainFiles *f, Error *e)
{
    StateWriter w;
    progress_inside(0, "saves a state");
    state_begin(&w, a, f, e);
    for (int64_t i = 0; i < a->count; i++) {
        const Trained *t = a->trained + i;
        const float *const values[STATE_KINDS] = {t->p->master, t->mean, t->square};
        for (int k = 0; k < STATE_KINDS; k++)
            state_files_put(&w, (StateKind)k, values[k], t->p->count, e);
    }
    return state_end(&w, a, f, e);
}

/* ---------------------------------------------------------------------------------- loading */

/* What state.json says. Text is borrowed from `json`. */
typedef struct {
    Json json;
    const char *fingerprint, *hash[STATE_KINDS];
    int64_t step, metrics, timings;
} Description;

/* Owned: json_close. */
static Status read_description(Description *d, const char *path, Error *e)
{
    *d = (Description){0};
    Json *j = &d->json;
    json_open(j, path, JSON_SMALL, e);
    for (int k = 0; k < STATE_KINDS; k++)
        json_string_in(j, j->root, "", state_kind_name[k], d->hash + k, e);
    json_string_in(j, j->root, "", "fingerprint", &d->fingerprint, e);
    json_integer_in(j, j->root, "", "step", 0, INT64_MAX, &d->step, e);
    json_integer_in(j, j->root, "", "metrics", 0, INT64_MAX, &d->metrics, e);
    json_integer_in(j, j->root, "", "timings", 0, INT64_MAX, &d->timings, e);
    return e->status;
}

/* Whether a file has the hash that the description names. */
static bool has_hash(const Paths *p, StateKind kind, const char *wanted, Error *e)
{
    char hash[STATE_HASH];
    char *path = state_file(text_string(&p->folder), kind, e);
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)file_hash(path, e));
    free(path);
    return e->status == OK && !strcmp(hash, wanted);
}

/* Whether the state of `step` can be read and its files have the hashes that it names. */
static bool is_whole(const Paths *p, int64_t step, Description *d, Error *e)
{
    Error unreadable = {0};
    bool whole = true;
    if (e->status != OK)
        return false;
    read_description(d, p->description.data, &unreadable);
    for (int k = 0; k < STATE_KINDS && whole && unreadable.status == OK; k++)
        whole = has_hash(p, (StateKind)k, d->hash[k], &unreadable);
    if (unreadable.status == OK)
        return whole && d->step == step;
    if (unreadable.status != BAD_INPUT) /* it may be whole: not the time to give it up */
        *e = unreadable;
    return false;
}

/* Moments only where they are kept in memory. */
static Status read_values(Optimiser *a, const Paths *p, Error *e)
{
    StateReader r;
    state_files_open(&r, a, text_string(&p->folder), e);
    for (int64_t i = 0; i < a->count && e->status == OK; i++) {
        const Trained *t = a->trained + i;
        float *const values[STATE_KINDS] = {t->p->master, t->mean, t->square};
        for (int k = 0; k < STATE_KINDS; k++)
            if (values[k])
                state_files_get(&r, (StateKind)k, values[k], t->p->count, e);
    }
    state_files_close(&r);
    return e->status;
}

/* Where a part of a fingerprint ends; parts are separated by "; ". */
static size_t part_length(const char *p)
{
    const char *end = strstr(p, "; ");
    return end ? (size_t)(end - p) : strlen(p);
}

/* The state belongs to another run: names the first part of the fingerprints that differs. */
static Status of_another_run(const char *path, const char *then, const char *now, Error *e)
{
    while (*then && *now) {
        const size_t old = part_length(then);
        const size_t new = part_length(now);
        if (old != new || strncmp(then, now, old))
            break;
        then += then[old] ? old + 2 : old;
        now += now[new] ? new + 2 : new;
    }
    return error_set(
        e, BAD_USAGE,
        "%s: belongs to a run with other data or settings: then \"%.*s\", now \"%.*s\"; go back to "
        "them, or remove the folder to start anew",
        path, (int)part_length(then), then, (int)part_length(now), now);
}

/* Loads the state of one step. False: it is not whole, and nothing was changed. */
static bool load(Optimiser *a, const TrainFiles *f, int64_t step, Error *e)
{
    Paths p;
    Description d = {0};
    paths_make(&p, f->state_folder, step, "", e);
    bool whole = is_whole(&p, step, &d, e);
    if (whole && strcmp(d.fingerprint, f->fingerprint))
        of_another_run(p.description.data, d.fingerprint, f->fingerprint, e);
    if (whole) {
        read_values(a, &p, e);
        file_truncate(f->metrics_path, d.metrics, e);
        file_truncate(f->timings_path, d.timings, e);
        if (e->status == OK)
            a->step = step;
    }
    json_close(&d.json);
    paths_free(&p);
    return whole;
}

Status state_open_moments(StateReader *r, const Optimiser *a, const TrainFiles *f, Error *e)
{
    Paths p;
    *r = (StateReader){0};
    if (!a->step)
        return e->status;
    paths_make(&p, f->state_folder, a->step, "", e);
    state_files_open(r, a, text_string(&p.folder), e);
    paths_free(&p);
    return e->status;
}

Status state_resume(Optimiser *a, const TrainFiles *f, Error *e)
{
    int64_t step = latest_before(f->state_folder, INT64_MAX, e);
    while (step >= 0 && e->status == OK && !load(a, f, step, e))
        step = latest_before(f->state_folder, step, e);
    if (step < 0) {
        file_replace(f->metrics_path, "", 0, e);
        file_replace(f->timings_path, "", 0, e);
    }
    return e->status;
}

/* The folder of a state that a kill left half written. */
static bool is_unfinished(const char *state_folder, const char *name, Error *e)
{
    return !strncmp(name, "step-", 5) && ends_with(name, ".tmp") && is_folder_in(state_folder, name, e);
}

int64_t state_bytes(const char *state_folder)
{
    Error e = {0};
    int64_t bytes = 0;
    for (int64_t step = latest_before(state_folder, INT64_MAX, &e); step >= 0;
         step = latest_before(state_folder, step, &e)) {
        Paths p;
        paths_make(&p, state_folder, step, "", &e);
        for (int k = 0; k < STATE_KINDS; k++) {
            char *path = state_file(text_string(&p.folder), (StateKind)k, &e);
            bytes += path ? size_or_zero(path) : 0;
            free(path);
        }
        paths_free(&p);
    }
    return bytes;
}

Status state_remove_all(const char *state_folder, Error *e)
{
    if (e->status != OK || !file_is_folder(state_folder))
        return e->status;
    char **names;
    int64_t count;
    int64_t others = 0;
    remove_before(state_folder, INT64_MAX, e);
    folder_list(&names, &count, state_folder, NULL, e);
    for (int64_t i = 0; i < count && e->status == OK; i++) {
        const bool ours = is_unfinished(state_folder, names[i], e);
        char *path = path_join(state_folder, names[i], e);
        if (ours)
            folder_remove(path, e);
        free(path);
        others += !ours;
    }
    names_free(names, count);
    return others ? e->status : folder_remove(state_folder, e);
}
