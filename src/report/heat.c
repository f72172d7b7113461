/* The pair is shown to each model as training shows it: the annotated question without a suffix, and the
 * annotated answer, whose mean loss is what the maps are of. heat.jsonl keeps what was computed; a kill loses
 * a few seconds' work at most. */
#include "report/heat.h"

#include "base/file.h"
#include "base/map_guard.h"
#include "base/number.h"
#include "base/progress.h"
#include "job/fingerprint.h"
#include "model/family.h"
#include "model/heat.h"
#include "mpa/holdout.h"
#include "mpa/stage.h"
#include "report/record.h"
#include "tensor/gemm.h"
#include "train/estimate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char file_name[] = "heat.jsonl";

const char *const heat_model[MODELS] = {
    [MODEL_STUDENT] = "student", [MODEL_ALIGNED] = "aligned", [MODEL_TEACHER] = "teacher"};

const int heat_order[MODELS] = {MODEL_TEACHER, MODEL_STUDENT, MODEL_ALIGNED};

/* One model at work. */
typedef struct {
    const Job *job;
    const json_t *known; /* lines of heat.jsonl */
    json_t *maps;        /* what is made */
    int model;
    const char *folder, *adapter;
    json_t *context; /* what the model sees by */
    Vlm vlm;
    bool open;
    Text lines;     /* new maps that are not in the file yet */
    double written; /* when it was written to, by clock_seconds */
} Looker;

/* --------------------------------------------------------------------------------------- one map */

/* A number with six digits: what is drawn now and what is read again later are the same. */
static json_t *rounded(double v)
{
    enum { DIGITS = 32 };
    char text[DIGITS];
    snprintf(text, sizeof text, "%.6g", v);
    return json_real(strtod(text, NULL));
}

/* The patches first .. first + count - 1, a frame's, row by row. */
static json_t *frame(const Vlm *vlm, const Picture *p, const double *heat, int64_t first, Error *e)
{
    const int64_t down = p->grid[1];
    const int64_t across = p->grid[2];
    PatchPlace all = vlm->family->place(vlm, p, first);
    int64_t *from = memory_new(down * across, sizeof *from, e);
    json_t *values = json_array();
    for (int64_t k = 1; k < down * across; k++) {
        const PatchPlace at = vlm->family->place(vlm, p, first + k);
        all = (PatchPlace){fmin(all.left, at.left), fmin(all.top, at.top), fmax(all.right, at.right),
                           fmax(all.bottom, at.bottom)};
    }
    for (int64_t k = 0; from && k < down * across; k++) {
        const PatchPlace at = vlm->family->place(vlm, p, first + k);
        const double y = (at.top - all.top) / (all.bottom - all.top) * (double)down;
        const double x = (at.left - all.left) / (all.right - all.left) * (double)across;
        from[lround(y) * across + lround(x)] = first + k;
    }
    for (int64_t k = 0; from && k < down * across; k++)
        json_append(values, rounded(heat[from[k]]), e);
    free(from);
    return json_pack("{s:[o,o,o,o], s:I, s:I, s:o}", "at", rounded(all.left), rounded(all.top),
                     rounded(all.right), rounded(all.bottom), "down", (json_int_t)down, "across",
                     (json_int_t)across, "heat", values);
}

static bool all_finite(const double *v, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (!isfinite(v[i]))
            return false;
    return true;
}

/* Whether blocks keep their input only; NO_MEMORY where even that is too much. */
static Status choose_pass(const Looker *l, const Samples *s, bool *recompute, Error *e)
{
    const LevelConfig all = {0};              /* gradients go through every part */
    const LevelConfig none = {.freeze = ~0u}; /* and every weight stays in its file's map */
    const PassSize size = pass_size(&l->vlm, &all, s);
    const int64_t pixels = s->picture->rows * s->picture->cols * (int64_t)sizeof(float); /* their gradient */
    const int64_t least = estimate_pass(&l->vlm, size, true) + pixels;
    const uint64_t room = job_memory(l->job);
    const double mib = 1048576;
    *recompute = estimate_recompute(estimate_pass(&l->vlm, size, false) + pixels, (int64_t)room,
                                    estimate_mapped(&l->vlm, &none));
    if (e->status == OK && room && (uint64_t)least > room)
        error_set(e, NO_MEMORY,
                  "a heat map by the %s needs about %.0f MiB of memory, %.0f MiB are available; use smaller "
                  "pictures, or leave heat maps out (mpa report --heat 0)",
                  heat_model[l->model], (double)least / mib, (double)room / mib);
    return e->status;
}

/* The map of a pair; NULL after a failure. */
static json_t *look(const Looker *l, const Question *q, Error *e)
{
    const PictureOptions options = job_picture_options(l->job);
    Samples s;
    bool recompute = true;
    double loss = 0;
    json_t *frames = json_array();
    samples_load(&s, &l->vlm, q, 1, &options, NULL, e);
    if (e->status == OK)
        choose_pass(l, &s, &recompute, e);
    const int64_t rows = e->status == OK ? s.picture->rows : 0;
    double *heat = memory_new(rows, sizeof *heat, e);
    if (heat)
        heat_of(&l->vlm, s.sample, recompute, heat, &loss, e);
    map_guard_check(e);
    if (e->status == OK && (!isfinite(loss) || !all_finite(heat, rows)))
        error_set(e, FAILED, "pair %s: a gradient that is not finite", q->id);
    for (int64_t first = 0; first < rows && e->status == OK; first += s.picture->grid[1] * s.picture->grid[2])
        json_append(frames, frame(&l->vlm, s.picture, heat, first, e), e);
    samples_free(&s);
    free(heat);
    return json_pack("{s:o, s:o}", "loss", rounded(loss), "frames", frames);
}

/* --------------------------------------------------------------------------- the maps of one model */

/* A hash of all that the map of the pair is made of. Owned reference. */
static json_t *key_of(const Looker *l, const Question *q, Error *e)
{
    json_t *o = json_object();
    json_put(o, "context", json_incref(l->context), e);
    json_put(o, "picture", fingerprint_text(fingerprint_file(l->job, q->images[0], e)), e);
    json_put(o, "question", json_string(q->text), e);
    json_put(o, "answer", json_string(q->answer), e);
    json_t *key = fingerprint_text(fingerprint_json(o, e));
    json_decref(o);
    return key;
}

/* The map with that key; NULL: there is none. Borrowed. */
static json_t *known_map(const Looker *l, const json_t *key)
{
    json_t *line;
    size_t i;
    json_array_foreach(l->known, i, line)
    {
        if (json_equal(json_object_get(line, "key"), readable(key)) && json_object_get(line, "frames"))
            return line;
    }
    return NULL;
}

/* Adds the new maps to the file. */
static Status write_new(Looker *l, Error *e)
{
    char *path = job_path(l->job, file_name, e);
    if (path && l->lines.count)
        file_append(path, text_string(&l->lines), l->lines.count, e);
    text_clear(&l->lines);
    l->written = clock_seconds();
    free(path);
    return e->status;
}

/* Syncing a file takes longer than a small model takes for a map. */
static Status keep(Looker *l, const json_t *map, Error *e)
{
    const double seconds = 5;
    json_print(&l->lines, map, JSON_COMPACT | JSON_REAL_PRECISION(6), e);
    text_add(&l->lines, "\n", e);
    return clock_seconds() - l->written > seconds ? write_new(l, e) : e->status;
}

/* A map that has to be computed. Owned reference; NULL after a failure. */
static json_t *new_map(Looker *l, const Question *q, const json_t *key, Error *e)
{
    if (e->status == OK && *l->job->stop)
        error_set(e, INTERRUPTED, "interrupted");
    if (!l->open)
        l->open = job_open_model(l->job, &l->vlm, l->folder, l->adapter, e) == OK;
    json_t *map = e->status == OK ? look(l, q, e) : NULL;
    if (e->status != OK) {
        json_decref(map);
        return NULL;
    }
    json_put(map, "id", json_string(q->id), e);
    json_put(map, "model", json_string(heat_model[l->model]), e);
    json_put(map, "key", json_incref(readable(key)), e);
    keep(l, map, e);
    return map;
}

/* What hinders one picture is a warning. */
static Status add_map(Looker *l, const Question *q, Error *e)
{
    Error why = {0};
    json_t *key = key_of(l, q, &why);
    json_t *map = known_map(l, key);
    map = map ? json_incref(map) : new_map(l, q, key, &why);
    if (map)
        json_put(json_object_get(l->maps, q->id), heat_model[l->model], map, e);
    json_decref(key);
    if (why.status == NO_MEMORY || why.status == INTERRUPTED)
        return error_take(e, &why);
    if (why.status != OK)
        log_warning(&l->job->log, "heat map by the %s: %s", heat_model[l->model], why.text);
    return e->status;
}

/* The maps of all pairs by one model. */
static Status look_at_all(Looker *l, const json_t *audit, const json_t *ids, Progress *p, Error *e)
{
    const Job *j = l->job;
    const json_t *id;
    size_t i;
    json_array_foreach(ids, i, id)
    {
        const json_t *line = json_object_get(audit, json_string_value(id));
        char *file = text_in(line, "answer") ? record_picture(j, line, e) : NULL;
        const Question q = {.images = (const char *const *)&file,
                            .n_images = 1,
                            .text = text_in(line, "question"),
                            .answer = text_in(line, "answer"),
                            .id = json_string_value(id)};
        if (file && e->status == OK)
            add_map(l, &q, e);
        free(file);
        progress_show(p, p->done + 1, heat_model[l->model]);
    }
    return e->status;
}

/* Whether the run has the model, and what stands there is its own. */
static bool has(const Job *j, int model, const char *folder, Error *e)
{
    return folder && file_is_folder(folder) && (model != MODEL_ALIGNED || result_holds(j, RESULT_ALIGNED, e));
}

static Status by_model(Looker *l, const json_t *audit, const json_t *ids, Progress *p, Error *e)
{
    char arithmetic[GEMM_DESCRIPTION];
    char *folder = stage_model(l->job, l->model, e);
    if (has(l->job, l->model, folder, e)) {
        l->folder = folder;
        l->context = json_object();
        json_put(l->context, "model", fingerprint_model(l->job, folder, e), e);
        if (l->adapter && *l->adapter)
            json_put(l->context, "adapter", fingerprint_model(l->job, l->adapter, e), e);
        fingerprint_sight(l->job, l->context, e);
        json_put(l->context, "arithmetic", json_string(gemm_description(arithmetic)), e);
        look_at_all(l, audit, ids, p, e);
        json_decref(l->context);
    }
    if (l->open) {
        Error why = {0}; /* what was done before a failure is kept */
        write_new(l, &why);
        error_take(e, &why);
        vlm_close(&l->vlm);
    }
    text_free(&l->lines);
    free(folder);
    return e->status;
}

json_t *heat_maps(const Job *j, const json_t *audit, const json_t *ids, Error *e)
{
    job_cut_partial_line(j, file_name, e);
    json_t *known = job_read_lines(j, file_name, e);
    json_t *maps = json_object();
    const json_t *id;
    size_t i;
    Progress p;
    json_array_foreach(ids, i, id) json_put(maps, json_string_value(id), json_object(), e);
    progress_begin(&p, &j->log, "heat maps", 0, MODELS * (int64_t)json_array_size(ids));
    for (int k = 0; k < MODELS && json_array_size(ids); k++) {
        const int m = heat_order[k];
        Looker l = {.job = j, .known = known, .maps = maps, .model = m, .written = clock_seconds()};
        l.adapter = m == MODEL_STUDENT ? j->config.student.adapter : NULL;
        by_model(&l, audit, ids, &p, e);
    }
    progress_end(&p);
    json_decref(known);
    return maps;
}

json_t *heat_choose(const Job *j, const json_t *audit, int64_t most, Error *e)
{
    const double part = holdout_part(j);
    json_t *all = json_array();
    json_t *some = json_array();
    const char *id;
    json_t *line;
    json_object_foreach(readable(audit), id, line)
    {
        if (record_kept(line) && !(part > 0 && holdout_has(part, id)))
            json_append(all, json_string(id), e);
    }
    const int64_t n = (int64_t)json_array_size(all);
    const int64_t count = min_i64(n, most);
    for (int64_t i = 0; i < count; i++)
        json_append(some, json_incref(json_array_get(all, (size_t)(i * n / count))), e);
    json_decref(all);
    return some;
}
